/// Reads server-sent events out of bytes as they come, in pieces of any size.
struct ServerSentEvents {
    /// One event: its place, what it is, and its data.
    struct Message: Equatable {
        var id: String?
        var type = "message"
        var data: [UInt8] = []
    }

    /// More of one event is not ours.
    private static let bytesMax = 16 << 20

    private var line: [UInt8] = []
    private var message = Message()
    private var hasData = false

    /// Something that is no stream of events.
    struct TooLong: Error {}

    /// The events that these bytes complete.
    mutating func read(_ bytes: some Sequence<UInt8>) throws -> [Message] {
        var complete: [Message] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if let message = take(line) { complete.append(message) }
            line.removeAll(keepingCapacity: true)
        }
        guard line.count + message.data.count <= Self.bytesMax else { throw TooLong() }
        return complete
    }

    /// One line; an empty one ends the event.
    private mutating func take(_ line: [UInt8]) -> Message? {
        guard !line.isEmpty else {
            defer { (message, hasData) = (Message(), false) }
            return hasData ? message : nil
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "id": message.id = String(decoding: value, as: UTF8.self)
        case "event": message.type = String(decoding: value, as: UTF8.self)
        case "data":
            if hasData { message.data.append(UInt8(ascii: "\n")) }
            message.data += value
            hasData = true
        default: break  // A comment, or how long to wait: we have our own patience.
        }
        return nil
    }
}
