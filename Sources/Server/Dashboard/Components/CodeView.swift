import Kit

/// Code as a page shows it: lines of HTML, coloured here, folded after the fortieth.
struct CodeView: Sendable {
    struct Folded: Sendable {
        let label: String
        let lines: [String]
    }
    let lines: [String]
    let folded: Folded?

    static let shownMax = 40
    /// More is not drawn; the whole is a download away.
    static let linesMax = 600

    init(_ lines: [String], _ words: Words) {
        let kept = lines.prefix(Self.linesMax)
        self.lines = Array(kept.prefix(Self.shownMax))
        let rest = Array(kept.dropFirst(Self.shownMax))
        folded = rest.isEmpty ? nil : Folded(label: words.count("code.fold", lines.count - Self.shownMax), lines: rest)
    }

    /// `name: value` lines, as received.
    static func headers(_ bytes: [UInt8], _ words: Words) -> CodeView {
        let lines = bytes.split(separator: 0x0A).map { line in
            let text = OutsideText.bounded(line, 4096)
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return HTML.escaped(text) }
            return "\(span("k", String(parts[0]))):\(HTML.escaped(String(parts[1])))"
        }
        return CodeView(lines, words)
    }

    /// Offset, sixteen bytes, their text.
    static func bytes(_ bytes: [UInt8], _ words: Words) -> CodeView {
        let lines = stride(from: 0, to: min(bytes.count, 16 * linesMax), by: 16).map { start in
            let row = bytes[start..<min(start + 16, bytes.count)]
            let digits = String(start, radix: 16)
            let offset = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
            let hex = row.map { String(decoding: Hex.encode([$0]), as: UTF8.self) }.joined(separator: " ")
            let text = String(decoding: row.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
            let gap = String(repeating: " ", count: max(0, 47 - hex.count))
            return "\(span("c", offset))  \(hex)\(gap)  \(span("s", text))"
        }
        return CodeView(lines, words)
    }

    /// What is no JSON, line by line.
    static func text(_ bytes: [UInt8], _ words: Words) -> CodeView {
        CodeView(bytes.split(separator: 0x0A).map { HTML.escaped(OutsideText.bounded($0, 2000)) }, words)
    }

    static func span(_ kind: String, _ text: String) -> String {
        "<span class=\"\(kind)\">\(HTML.escaped(text))</span>"
    }
}

/// JSON as coloured lines. Values that we know something of carry a comment at their right.
struct JSONLines {
    /// What a text is, where we know it: a customer's user.
    let known: [String: String]
    let times: Times
    private(set) var lines: [String] = []
    /// Beyond this nothing is drawn.
    private let linesMax = CodeView.linesMax + 1

    init(_ json: JSON, known: [String: String], times: Times) {
        self.known = known
        self.times = times
        add(json, before: "", after: "", depth: 0, comment: nil)
    }

    private mutating func add(_ json: JSON, before: String, after: String, depth: Int, comment: String?) {
        guard lines.count < linesMax else { return }
        let indent = String(repeating: "  ", count: depth)
        switch json {
        case .object(let members) where !members.isEmpty:
            lines.append(indent + before + "{")
            let currency = json["currency"]?.text
            for (index, member) in members.enumerated() {
                let name = CodeView.span("k", quoted(member.name)) + ": "
                add(
                    member.value, before: name, after: index + 1 < members.count ? "," : "", depth: depth + 1,
                    comment: note(member, currency))
            }
            lines.append(indent + "}" + after)
        case .array(let elements) where !elements.isEmpty:
            lines.append(indent + before + "[")
            for (index, element) in elements.enumerated() {
                add(
                    element, before: "", after: index + 1 < elements.count ? "," : "", depth: depth + 1, comment: nil)
            }
            lines.append(indent + "]" + after)
        default:
            let said = comment.map { "   " + CodeView.span("c", $0) } ?? ""
            lines.append(indent + before + value(json) + after + said)
        }
    }

    private func value(_ json: JSON) -> String {
        switch json {
        case .null: CodeView.span("n", "null")
        case .bool(let bool): CodeView.span("n", bool ? "true" : "false")
        case .number(let text): CodeView.span("n", OutsideText.bounded(text, 400))
        case .string(let text): CodeView.span("s", quoted(text))
        case .array: "[]"
        case .object: "{}"
        }
    }

    private func quoted(_ text: String) -> String {
        String(decoding: JSON.string(OutsideText.bounded(text, 4000)).bytes, as: UTF8.self)
    }

    private func note(_ member: JSONMember, _ currency: String?) -> String? {
        if let text = member.value.text { return known[text] }
        guard let number = member.value.integer else { return nil }
        if member.name.hasPrefix("amount"), let currency { return MoneyText.of(number, currency) }
        // Seconds between 2001 and 2065, under a name that speaks of time.
        guard (1_000_000_000...3_000_000_000).contains(number),
            ["created", "_at", "start", "end", "date", "time"].contains(where: { member.name.contains($0) })
        else { return nil }
        return times.moment(Timestamp(seconds: number)).text
    }
}
