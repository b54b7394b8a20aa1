import Crypto
import Kit
import Store

/// A place in a list. Opaque to callers; remembers the list's filter and order.
struct Cursor: Equatable {
    /// The beginning of the SHA-256 of path and filters.
    let filter: [UInt8]
    let ascending: Bool
    let last: String

    private static let filterCount = 8

    var text: String {
        let bytes = [UInt8(1)] + filter + [ascending ? 1 : 0] + last.utf8
        return String(decoding: Base64URL.encode(bytes), as: UTF8.self)
    }

    init(filter: [UInt8], ascending: Bool, last: String) {
        self.filter = filter
        self.ascending = ascending
        self.last = last
    }

    init?(_ text: String) {
        guard let bytes = Base64URL.decode(text.utf8), bytes.first == 1,
            bytes.count > Self.filterCount + 2, bytes[Self.filterCount + 1] <= 1,
            let last = String(validating: bytes.dropFirst(Self.filterCount + 2), as: UTF8.self), !last.utf8.contains(0)
        else { return nil }
        self.init(filter: Array(bytes[1...Self.filterCount]), ascending: bytes[Self.filterCount + 1] == 1, last: last)
    }

    /// What a list's parameters amount to, whatever their order.
    static func filter(_ path: String, _ query: [String: JSON]) -> [UInt8] {
        let named = query.filter { !["cursor", "limit", "order"].contains($0.key) }.sorted { $0.key < $1.key }
        let text = JSON.object([.init("path", .string(path))] + named.map { .init($0.key, $0.value) }).bytes
        return Array(SHA256.hash(data: text).prefix(filterCount))
    }
}

/// The parameters that every list takes.
enum Paging {
    static let parameters: [Parameter] = [
        Parameter("limit", .integer(1...100), "Rows a page, 20 unless said."),
        Parameter("cursor", .line(1...1024), "From `next_cursor` of the page before, with the same filters and order."),
        Parameter(
            "order", .words(["asc", "desc"]),
            "By id, which is by time: `desc` (newest first) unless said. What happens by itself is listed by `asc` up "
                + "to the feed's head, some two seconds back; ask again with the last cursor for what came since."),
    ]
    static let times: [Parameter] = [
        Parameter("created_after", .time, "Only what came to be after this moment."),
        Parameter("created_before", .time, "Only what came to be before this moment."),
    ]
    static let usualLimit: Int64 = 20
}

extension APIRequest {
    /// The page that the request asks for.
    func page() throws(Problem) -> ListPage {
        let order = queryText("order").map { $0 == "asc" }
        var ascending = order ?? false
        var after: String?
        if let text = queryText("cursor") {
            guard let cursor = Cursor(text), cursor.filter == Cursor.filter(pathOnly, query) else {
                throw Problem(.invalidCursor, "The cursor belongs to another list or filter. Begin again without one.")
            }
            guard order == nil || order == cursor.ascending else {
                throw Problem(.invalidCursor, "The cursor belongs to the other order. Begin again without one.")
            }
            ascending = cursor.ascending
            after = cursor.last
        }
        return ListPage(
            limit: Int(queryInteger("limit") ?? Paging.usualLimit), ascending: ascending, after: after,
            createdAfter: queryTime("created_after"), createdBefore: queryTime("created_before"))
    }

    private var pathOnly: String { String(target.prefix { $0 != "?" }) }

    /// A page as an answer. `rows` holds one more than the page where there is more.
    func list<Row, Shown: View>(
        _ rows: [Row], _ page: ListPage, id: (Row) -> String, _ show: (Row) throws -> Shown
    ) rethrows -> Answer {
        let shown = rows.prefix(page.limit)
        let last = rows.count > page.limit ? shown.last.map(id) : nil
        return try .json { writer in
            try writer.object { writer in
                writer.key("data")
                try writer.array { writer in for row in shown { try show(row).write(to: &writer) } }
                writer.member("next_cursor", JSON(last.map { nextCursor(after: $0, page) }))
            }
        }
    }

    func nextCursor(after id: String, _ page: ListPage) -> String {
        Cursor(filter: Cursor.filter(pathOnly, query), ascending: page.ascending, last: id).text
    }
}
