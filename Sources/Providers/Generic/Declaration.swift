public import Kit

/// How a sender signs, in the operator's words: an object of the setting `GENERIC_WEBHOOKS`.
///
///     {"secrets": ["…"], "header": "X-Acme-Signature", "algorithm": "hmac-sha256", "encoding": "hex",
///      "prefix": "sha256=", "signed": "{timestamp}.{body}", "timestamp_header": "X-Acme-Time", "tolerance": 300,
///      "event_id": "id", "event_type": "event.type"}
public struct Declaration: Sendable {
    let signature: HMACScheme
    /// Nil where no time is signed.
    let tolerance: WebhookScheme.Tolerance?
    /// Where the body names the event; nil: its bytes do, or the signed id.
    let eventID: [String]?
    let eventType: [String]

    static let usual = Declaration(
        signature: HMACScheme("X-Signature", .plain(prefix: ""), .sha256, .hexAnyCase, over: [.body]), tolerance: nil,
        eventID: nil, eventType: ["type"])

    init(signature: HMACScheme, tolerance: WebhookScheme.Tolerance?, eventID: [String]?, eventType: [String]) {
        self.signature = signature
        self.tolerance = tolerance
        self.eventID = eventID
        self.eventType = eventType
    }

    /// What is wrong with a declaration: the member, and what it should be.
    public struct Wrong: Error, Sendable, Equatable {
        public let reason: String
        init(_ member: String, _ problem: String) { reason = "\(member): \(problem)" }
    }

    /// Reads one; every member is known or refused.
    public init(_ json: JSON) throws(Wrong) {
        let members = Members(json)
        try members.allow(Self.known)
        let header = try members.required("header")
        guard header.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }) else {
            throw Wrong("header", "must be the name of a header, such as X-Signature.")
        }
        let hash: HMACScheme.Hash = try members.word(
            "algorithm", ["hmac-sha256": .sha256, "hmac-sha1": .sha1, "hmac-sha512": .sha512])
        let encoding: HMACScheme.Encoding = try members.word("encoding", ["hex": .hexAnyCase, "base64": .base64])
        let names = HMACScheme.Headers(
            signature: header, timestamp: try members.text("timestamp_header"), id: try members.text("id_header"))
        let content = try Self.content(try members.text("signed") ?? "{body}")
        try Self.check(content, names)
        signature = HMACScheme(
            [names], .plain(prefix: try members.text("prefix") ?? ""), hash, encoding, over: content)
        tolerance = try Self.tolerance(members, isSigned: names.timestamp != nil)
        eventID = try members.text("event_id").map(Self.path)
        eventType = Self.path(try members.text("event_type") ?? "type")
    }

    static let known = [
        "secrets", "header", "algorithm", "encoding", "prefix", "signed", "timestamp_header", "id_header", "tolerance",
        "event_id", "event_type",
    ]

    private static func path(_ text: String) -> [String] { text.split(separator: ".").map(String.init) }

    /// `{timestamp}.{body}` as parts; other text stands for itself.
    private static func content(_ text: String) throws(Wrong) -> [HMACScheme.Part] {
        var (parts, rest): ([HMACScheme.Part], Substring) = ([], text[...])
        while let open = rest.firstIndex(of: "{") {
            guard let close = rest[open...].firstIndex(of: "}") else { throw Wrong("signed", "a { has no }.") }
            if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
            switch rest[rest.index(after: open)..<close] {
            case "body": parts.append(.body)
            case "timestamp": parts.append(.timestamp)
            case "id": parts.append(.id)
            default: throw Wrong("signed", "only {body}, {timestamp} and {id} stand in braces.")
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        return parts
    }

    /// Nothing is believed that is not signed, and nothing can be signed that does not come.
    private static func check(_ content: [HMACScheme.Part], _ names: HMACScheme.Headers) throws(Wrong) {
        guard content.filter({ $0 == .body }).count == 1 else {
            throw Wrong("signed", "{body} must stand there once: what is not signed is not believed.")
        }
        for (part, name, header) in [
            (HMACScheme.Part.timestamp, "timestamp", names.timestamp), (.id, "id", names.id),
        ] {
            switch (content.contains(part), header != nil) {
            case (true, false): throw Wrong("\(name)_header", "is missing, and signed has {\(name)}.")
            case (false, true):
                throw Wrong("\(name)_header", "is not signed: put {\(name)} into signed, or leave it out.")
            case (true, true), (false, false): continue
            }
        }
    }

    private static func tolerance(_ members: Members, isSigned: Bool) throws(Wrong) -> WebhookScheme.Tolerance? {
        guard let seconds = try members.integer("tolerance", 1...604_800) else {
            return isSigned ? .init() : nil
        }
        guard isSigned else { throw Wrong("tolerance", "is for a signed time, and there is no timestamp_header.") }
        return .init(past: .seconds(seconds))
    }
}

/// The members of a declaration, read with clear words.
struct Members {
    private let json: JSON
    init(_ json: JSON) { self.json = json }

    func allow(_ known: [String]) throws(Declaration.Wrong) {
        guard let members = json.members else { throw .init("the declaration", "must be an object.") }
        if let other = members.first(where: { !known.contains($0.name) }) {
            throw .init(
                OutsideText.bounded(other.name, 64), "is not known. Known are \(known.joined(separator: ", ")).")
        }
    }

    /// Nil where it is absent, null or empty.
    func text(_ name: String) throws(Declaration.Wrong) -> String? {
        guard let value = json[name], !value.isNull else { return nil }
        guard let text = value.text else { throw .init(name, "must be a text.") }
        return text.isEmpty ? nil : text
    }

    func required(_ name: String) throws(Declaration.Wrong) -> String {
        guard let text = try text(name) else { throw .init(name, "is missing.") }
        return text
    }

    /// One of these words; the first counts where none is named.
    func word<Value>(_ name: String, _ words: KeyValuePairs<String, Value>) throws(Declaration.Wrong) -> Value {
        let named = try text(name)
        guard let found = named == nil ? words.first?.value : words.first(where: { $0.key == named })?.value else {
            throw .init(name, "must be one of \(words.map(\.key).joined(separator: ", ")).")
        }
        return found
    }

    func integer(_ name: String, _ range: ClosedRange<Int64>) throws(Declaration.Wrong) -> Int64? {
        guard let value = json[name], !value.isNull else { return nil }
        guard let integer = value.integer, range.contains(integer) else {
            throw .init(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return integer
    }
}
