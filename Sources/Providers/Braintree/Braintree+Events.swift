import Kit

/// One notification a delivery. Braintree gives it no id: its XML is its name.
extension Braintree {
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        guard let xml = notification(in: delivery.body) else { throw Unreadable("The payload is not base64.") }
        let found: [String: String]
        do { found = try NotificationXML.texts(xml, of: [kind, timestamp, merchant]) } catch {
            throw Unreadable(error.reason)
        }
        guard let type = found[kind], !type.isEmpty else { throw Unreadable("The notification has no kind.") }
        let at = found[timestamp].flatMap(Timestamp.init(rfc3339:))
        return [
            Event(
                identity: EventIdentity(day: at?.day ?? 0, of: xml), type: OutsideText.bounded(type),
                account: found[merchant].map { OutsideText.bounded($0) }, occurredAt: at,
                body: delivery.body.indices)
        ]
    }

    private static func notification(in body: [UInt8]) -> [UInt8]? {
        let text = FormFields(body)?.values(of: "bt_payload").first
        return text.flatMap { Base64.decode($0.filter { $0 != UInt8(ascii: "\n") }) }
    }

    static let findable = FindableValues(
        found("subscription", at: "subscription"), found("transaction", at: "transaction"),
        found("dispute", at: "dispute"), found("merchant account", at: "merchant-account"))

    private static func found(_ name: String, at subject: String) -> FindableValue {
        let place = "notification/subject/\(subject)/id"
        return FindableValue(name) { event in
            notification(in: event).flatMap { try? NotificationXML.texts($0, of: [place]) }?[place]
        }
    }

    private static let kind = "notification/kind"
    private static let timestamp = "notification/timestamp"
    private static let merchant = "notification/source-merchant-id"
}

/// Reads texts of elements by their place, and nothing else: no document type, no entities of one's own, no CDATA.
enum NotificationXML {
    struct Problem: Error { let reason: String }

    private static let deepest = 64
    /// Bytes of a name that is read.
    private static let longestName = 64

    /// The first text at each of these paths; what is not there is left out.
    static func texts(_ bytes: [UInt8], of paths: Set<String>) throws(Problem) -> [String: String] {
        var (found, path, rest): ([String: String], [String], ArraySlice<UInt8>) = ([:], [], bytes[...])
        while let open = rest.firstIndex(of: UInt8(ascii: "<")) {
            let place = path.joined(separator: "/")
            if paths.contains(place), found[place] == nil { found[place] = plain(rest[..<open]) }
            guard let close = rest[open...].firstIndex(of: UInt8(ascii: ">")) else {
                throw Problem(reason: "The XML ends within a tag.")
            }
            let tag = rest[(open + 1)..<close]
            rest = rest[(close + 1)...]
            switch tag.first {
            case UInt8(ascii: "?"): continue
            case UInt8(ascii: "!"): throw Problem(reason: "The XML has a declaration that no notification has.")
            case UInt8(ascii: "/"):
                guard path.popLast() == String(decoding: tag.dropFirst(), as: UTF8.self) else {
                    throw Problem(reason: "The XML closes what is not open.")
                }
            default:
                guard tag.last != UInt8(ascii: "/") else { continue }
                let name = tag.prefix { $0 > 0x20 }
                guard name.count <= longestName else { throw Problem(reason: "The XML has a name beyond all bounds.") }
                path.append(String(decoding: name, as: UTF8.self))
                guard path.count <= deepest else { throw Problem(reason: "The XML is too deep.") }
            }
        }
        guard path.isEmpty else { throw Problem(reason: "The XML ends too early.") }
        return found
    }

    private static func plain(_ text: ArraySlice<UInt8>) -> String {
        let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        return named.reduce(String(decoding: text, as: UTF8.self)) { $0.replacing($1.0, with: $1.1) }
    }
}
