public import Kit
public import Store

/// A change as it goes out: rendered once a node, shared by endpoints and live clients.
public struct FeedItem: Sendable {
    public let position: Int64
    public let id: ID<ChangeKind>
    public let type: String
    public let subject: String?
    public let version: Int64
    public let userID: String?
    public let connectionID: String?
    public let occurredAt: Timestamp
    /// What endpoints are sent: `{"type":…,"timestamp":…,"data":{…}}`.
    public let body: [UInt8]
    /// Where `data` stands in it.
    private let data: Range<Int>

    /// Above this the outside bytes stay behind (standard-webhooks: payloads under 20 KB): receivers fetch the event.
    static let payloadMax = 20_480

    public init(_ change: Change) {
        position = change.position
        id = change.id
        type = change.type
        subject = change.subject
        version = change.version
        userID = change.userID
        connectionID = change.connectionID
        occurredAt = change.occurredAt
        let data = Self.data(of: change)
        var writer = JSONWriter(capacity: data.count + 160)
        writer.object { writer in
            writer.member("type", .string(change.type))
            writer.member("timestamp", JSON(change.occurredAt))
            writer.member("data", raw: data)
        }
        body = writer.bytes
        self.data = body.count - 1 - data.count..<body.count - 1
    }

    /// A change as followers see it, in the list and in the stream.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("position", JSON(position))
            writer.member("id", JSON(id))
            writer.member("type", .string(type))
            writer.member("subject", JSON(subject))
            writer.member("version", JSON(version))
            writer.member("user_id", JSON(userID))
            writer.member("connection_id", JSON(connectionID))
            writer.member("occurred_at", JSON(occurredAt))
            writer.member("data", raw: body[data])
        }
    }

    /// One server-sent event. A line end within the payload begins another line of data, which reads as the same JSON.
    public var serverSentEvent: [UInt8] {
        var writer = JSONWriter(capacity: body.count + 256)
        write(to: &writer)
        var event = Array("id: \(position)\nevent: \(type)\ndata: ".utf8)
        event.reserveCapacity(event.count + writer.bytes.count + 2)
        for byte in writer.bytes {
            switch byte {
            case 0x0A: event += Array("\ndata: ".utf8)
            case 0x0D: continue
            default: event.append(byte)
            }
        }
        event += [0x0A, 0x0A]
        return event
    }

    /// Memory that an item holds, about.
    var weight: Int { body.count + 256 }

    /// Whose order it keeps at an endpoint.
    func key(by order: Endpoint.Order) -> String? { order.key(user: userID, connection: connectionID) }

    /// The change's own data, and the outside bytes that it refers to as its member `payload`: spliced in as they are,
    /// so that no digit of the platform's numbers changes.
    private static func data(of change: Change) -> [UInt8] {
        guard let payload = change.payload, payload.count <= payloadMax, change.data.last == UInt8(ascii: "}") else {
            return change.data
        }
        var data = Array(change.data.dropLast())
        if data.count > 1 { data.append(UInt8(ascii: ",")) }
        if isJSON(payload) {
            data += Array(#""payload":"#.utf8) + payload
        } else {
            data += Array(#""payload":null,"payload_base64":""#.utf8) + Base64.encode(payload) + [UInt8(ascii: "\"")]
        }
        data.append(UInt8(ascii: "}"))
        return data
    }

    private static let anything = JSONScan([])
    private static func isJSON(_ bytes: [UInt8]) -> Bool { (try? anything.read(bytes)) != nil }
}
