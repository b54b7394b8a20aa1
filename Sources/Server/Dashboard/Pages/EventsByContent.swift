import Kit
import Store

/// What an event's content must say: `$.data.object.id=in_1`.
struct ContentCondition: Sendable, Equatable {
    let path: JSONPath
    /// A string's characters, or a number, `true`, `false` or `null` as written.
    let value: String

    /// Nil for what is not written so.
    init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[1].isEmpty, let path = JSONPath(parts[0]) else { return nil }
        self.path = path
        value = parts[1]
    }

    var text: String { "\(path.text)=\(value)" }

    func holds(in bytes: [UInt8]) -> Bool {
        guard let json = try? JSON.parse(bytes), let found = path.value(in: json) else { return false }  // No JSON: no.
        return found.text.map { $0.hasSameBytes(as: value) } ?? found.bytes.elementsEqual(value.utf8)
    }
}

extension Session {
    /// Events whose content is read for one page.
    static var contentsSearched: Int { 500 }
    private static var contentsAtOnce: Int { 50 }
    private static var contentBytesMax: Int { 4 << 20 }

    /// The events of a search whose content says something, newest first. No index knows contents: they are read, the
    /// newest first, at most `contentsSearched`; the second is set where that ended before the search did.
    func search(
        _ filter: EventFilter, _ condition: ContentCondition, before: ID<EventKind>?, since: Timestamp?, limit: Int
    ) throws -> (rows: [EventRow], searchedTo: ID<EventKind>?) {
        var (found, at, looked) = ([EventRow](), before, 0)
        while looked < Self.contentsSearched {
            let part = try search(filter, before: at, since: since, limit: Self.contentsAtOnce)
            let (bytes, read) = try payloads(of: part.rows, bytesMax: Self.contentBytesMax)
            for row in part.rows.prefix(read) {
                (at, looked) = (row.id, looked + 1)
                guard let content = bytes[row.id.text], condition.holds(in: content) else { continue }
                found.append(row)
                if found.count == limit { return (found, nil) }
            }
            if part.rows.count < Self.contentsAtOnce, read == part.rows.count { return (found, part.searchedTo) }
        }
        return (found, at)
    }
}
