import Kit
import Store

/// A content beside the one before it about the same thing: a line for each place in which they differ.
struct ContentDifference: Sendable {
    let before: Link?
    let sentence: String
    let changed: [ChangedRow]
    /// Of the table.
    let label: String

    /// More nobody reads.
    private static let (rowsMax, leavesMax) = (200, 5000)

    /// - Parameter earlier: nil where none is found, or its content is no longer kept.
    init(_ payload: [UInt8]?, earlier: (event: EventRow, payload: [UInt8]?)?, _ request: PageRequest) {
        let words = request.words
        label = words("received.compare")
        guard let earlier else {
            (before, sentence, changed) = (nil, words("received.compare_none"), [])
            return
        }
        before = Link(ShortID(earlier.event.id.text).short, "/events/\(earlier.event.id)")
        // Only to be looked at: what is no JSON has no places.
        guard let new = payload.flatMap({ try? JSON.parse($0) }),
            let old = earlier.payload.flatMap({ try? JSON.parse($0) })
        else {
            (sentence, changed) = (words("received.compare_impossible"), [])
            return
        }
        let rows = Self.rows(from: old, to: new)
        changed = Array(rows.prefix(Self.rowsMax))
        let time = request.times.exact(earlier.event.receivedAt).text
        sentence = words.count("received.compared", rows.count, ["time": time])
    }

    static func rows(from old: JSON, to new: JSON) -> [ChangedRow] {
        let (before, after) = (leaves(old), leaves(new))
        let known = Dictionary(before.map { ($0.path, $0.value) }) { first, _ in first }
        let kept = Set(after.map(\.path))
        let differing = after.filter { known[$0.path] != $0.value }.map { leaf in
            ChangedRow(name: "", field: leaf.path, before: known[leaf.path].map(text), after: text(leaf.value))
        }
        let gone = before.filter { !kept.contains($0.path) }.map { leaf in
            ChangedRow(name: "", field: leaf.path, before: text(leaf.value), after: "—")
        }
        return differing + gone
    }

    private static func leaves(_ json: JSON) -> [(path: String, value: JSON)] {
        var (found, waiting) = ([(path: String, value: JSON)](), [(path: "$", value: json)])
        while let (path, value) = waiting.popLast(), found.count < leavesMax {
            if let members = value.members, !members.isEmpty {
                waiting += members.reversed().map { (path + "." + $0.name, $0.value) }
            } else if let elements = value.elements, !elements.isEmpty {
                waiting += elements.enumerated().reversed().map { ("\(path)[\($0)]", $1) }
            } else {
                found.append((path, value))
            }
        }
        return found
    }

    private static func text(_ json: JSON) -> String {
        OutsideText.bounded(json.text ?? String(decoding: json.bytes, as: UTF8.self), 200)
    }
}

extension Session {
    /// The event before one about the same thing, or, where it names none, of the same type.
    func event(before event: EventRow) throws -> EventRow? {
        var filter = EventFilter()
        (filter.provider, filter.type) = (event.provider, event.type)
        let found = try search(filter, before: event.id, since: nil, limit: 200).rows
        return event.subject == nil ? found.first : found.first { $0.subject == event.subject }
    }
}

/// A delivery as a command that sends its like.
enum DeliveryCommand {
    /// Longer bodies are fetched by the command itself.
    private static let bodyMax = 12_000

    /// - Parameters:
    ///   - signature: names of the headers that prove it; left out unless asked for.
    static func curl(
        _ row: DeliveryRow, _ body: [UInt8]?, leavingOut signature: [String], at base: String
    ) -> String {
        let left = Set(signature.map { $0.lowercased() })
        let headers = row.headers.split(separator: 0x0A).compactMap { line -> String? in
            let text = String(decoding: line, as: UTF8.self)
            let name = text.prefix { $0 != ":" }.lowercased()
            guard !left.contains(name), !ofConnection.contains(name) else { return nil }
            return " \\\n  -H " + ShellText.quoted(text.filter { !$0.isNewline })
        }
        let target = base + row.calledTarget(body)
        let head = "curl -X \(row.method) " + ShellText.quoted(target) + headers.joined()
        let text = body.flatMap { $0.count <= bodyMax && !$0.contains(0) ? String(validating: $0, as: UTF8.self) : nil }
        guard !row.cameByGET else { return head }
        guard let text else { return "patchbay deliveries body \(row.id) | " + head + " \\\n  --data-binary @-" }
        // What begins with @ would be taken for a file's name.
        return head + " \\\n  --data-raw " + ShellText.quoted(text)
    }
    private static let ofConnection: Set<String> = [
        "host", "content-length", "connection", "accept-encoding", "expect",
    ]
}

extension DeliveryRow {
    /// What it says stands in its address; what a platform's list shows is written as if it had been read so, and has a
    /// body of its own.
    var cameByGET: Bool { method == "GET" && !flags.contains("listed") }

    /// Path and query as they were called. Of the target only the beginning is kept; by GET the query is the body.
    func calledTarget(_ body: [UInt8]?) -> String {
        guard cameByGET, let body else { return String(decoding: target, as: UTF8.self) }
        return String(decoding: target.prefix { $0 != UInt8(ascii: "?") } + [UInt8(ascii: "?")] + body, as: UTF8.self)
    }
}
