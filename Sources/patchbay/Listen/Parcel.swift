import Kit

/// Something to pass on to the local application.
struct Parcel {
    let position: Int64
    /// The platform's word for a delivery, ours for an event.
    let type: String
    /// The id by which the receiver knows a repetition: the platform's own, or that of our change.
    let id: String
    let provider: String?
    /// Of a delivery.
    let delivery: String?
    let headers: [Field]
    let body: [UInt8]
}

/// What `listen` passes on.
struct ParcelSource {
    let server: APIClient
    let signing: LocalSigning
    let isOfDeliveries: Bool
    let provider: String?
    let types: TypeGlobs

    /// What a change brings; nil when it is not wanted.
    /// - Throws: `Fault` 3 while the server is away, others when it is no use to ask again.
    func parcel(of change: FollowedChange, hasPassedOn: (String) -> Bool) async throws -> Parcel? {
        isOfDeliveries
            ? try await delivery(of: change, hasPassedOn: hasPassedOn) : try event(of: change)
    }

    private func delivery(of change: FollowedChange, hasPassedOn: (String) -> Bool) async throws -> Parcel? {
        let data = change.json["data"]
        guard let from = data?["provider"]?.text, let type = data?["type"]?.text, let id = data?["delivery_id"]?.text,
            provider == nil || provider == from, types.match(type), !hasPassedOn(id)
        else { return nil }
        return try await parcel(
            ofDelivery: id, from, type: type, name: data?["provider_event_id"]?.text,
            event: data?["id"]?.text ?? "", position: change.position)
    }

    /// A delivery's bytes with its headers, signed anew; nil where the server no longer keeps them.
    ///
    /// - Parameter name: the platform's own id of the event.
    func parcel(
        ofDelivery id: String, _ from: String, type: String, name: String?, event: String, position: Int64 = 0
    ) async throws -> Parcel? {
        let delivery: JSON
        do {
            delivery = try await server.send(
                "GET", "/v1/deliveries/\(APIClient.encoded(id))", query: [("include", "body")])
        } catch let fault as Fault where fault.problem == "not_found" {
            note("\(type) \(id): the server no longer keeps it.")
            return nil
        }
        guard let text = delivery["body_base64"]?.text, let body = Base64.decode(Array(text.utf8)) else {
            note("\(type) \(id): the server no longer keeps its bytes.")
            return nil
        }
        let name = name ?? id
        return Parcel(
            position: position, type: type, id: name, provider: from, delivery: id,
            headers: try signing.headers(Self.headers(of: delivery), of: body, from: from, id: name)
                + [Field("Patchbay-Event", event), Field("Patchbay-Delivery", id)],
            body: body)
    }

    /// The headers as they came, without those of the connection that brought them.
    private static func headers(of delivery: JSON) -> [Field] {
        (delivery["headers"]?.elements ?? []).compactMap { header in
            guard let name = header["name"]?.text, let value = header["value"]?.text,
                !ofConnection.contains(name.lowercased())
            else { return nil }
            return Field(name, value)
        }
    }
    private static let ofConnection: Set<String> = [
        "host", "content-length", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade",
        "proxy-connection", "expect", "accept-encoding", "forwarded", "x-forwarded-for", "x-forwarded-proto",
        "x-forwarded-host", "x-real-ip",
    ]

    private func event(of change: FollowedChange) throws -> Parcel? {
        guard let type = change.json["type"]?.text, let id = change.json["id"]?.text,
            let at = change.json["occurred_at"], let data = Self.data(in: change)
        else { return nil }
        var writer = JSONWriter(capacity: data.count + 160)
        writer.object { writer in
            writer.member("type", .string(type))
            writer.member("timestamp", at)
            writer.member("data", raw: data)
        }
        return Parcel(
            position: change.position, type: type, id: id, provider: nil, delivery: nil,
            headers: try signing.headers(ofEvent: writer.bytes, id: id), body: writer.bytes)
    }

    /// As it came, so that no digit of a number changes.
    private static func data(in change: FollowedChange) -> [UInt8]? {
        guard let range = (try? scan.read(change.bytes))?[0]?.range else { return nil }  // It was read before.
        return Array(change.bytes[range])
    }
    private static let scan = JSONScan([["data"]])
}

/// Patterns of types: `invoice.*`, `*.updated`, `charge.refunded`. None means every type.
struct TypeGlobs {
    /// As they were written; nil for none.
    let list: String?
    private let patterns: [[Substring]]

    init(_ text: String?) {
        list = text.flatMap { $0.isEmpty ? nil : $0 }
        patterns = (text ?? "").split(separator: ",").map { part in
            part.split(separator: "*", omittingEmptySubsequences: false)
        }
    }

    func match(_ type: String) -> Bool { patterns.isEmpty || patterns.contains { Self.match(type[...], $0) } }

    /// The parts between the stars, in order: the first at the start, the last at the end.
    private static func match(_ type: Substring, _ parts: [Substring]) -> Bool {
        guard let first = parts.first, let last = parts.last, type.hasPrefix(first) else { return false }
        guard parts.count > 1 else { return type == first }
        var rest = type.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.hasSuffix(last)
    }
}
