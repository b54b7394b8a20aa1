import Hummingbird
import Kit
import NIOCore
import Store

/// The rows of a stream as CSV (RFC 4180), written as they are read.
struct StreamCSV: Sendable {
    /// More are for SQL or the API's pages.
    static let rowsMax = 100_000
    private static let rowsAtOnce = 500

    let database: any Database
    let table: RecordTable
    let account: String
    let deletedToo: Bool

    func write(to out: inout any ResponseBodyWriter) async throws {
        let names = [table.key.name] + table.columns.map(\.name) + ["observed_at", "deleted_at"]
        try await out.write(ByteBuffer(string: Self.line(names)))
        var (last, count): (String?, Int) = (nil, 0)
        while count < Self.rowsMax {
            let page = ListPage(limit: min(Self.rowsAtOnce, Self.rowsMax - count), ascending: true, after: last)
            let rows = try await database.read("csv_records") {
                try $0.records(in: table, of: account, deletedToo: deletedToo, page)
            }
            let shown = rows.prefix(page.limit)
            try await out.write(ByteBuffer(string: shown.map(line).joined()))
            count += shown.count
            guard rows.count > page.limit else { break }
            last = shown.last?.key
        }
        try await out.finish(nil)
    }

    private func line(_ row: RecordRow) -> String {
        let members = RecordJSON.members(table.columns, row.cells).map(\.value)
        let values: [JSON] = [.string(row.key)] + members + [JSON(row.observedAt), JSON(row.deletedAt)]
        return Self.line(values.map { $0.text.map(Self.guarded) ?? RecordText.plain($0) })
    }

    /// A text that a spreadsheet would take for a formula gets an apostrophe before it, and stays a text.
    static func guarded(_ text: String) -> String {
        guard let first = text.unicodeScalars.first, "=+-@\t\r\n＝＋－＠".unicodeScalars.contains(first) else {
            return text
        }
        return "'" + text
    }

    static func line(_ fields: [String]) -> String {
        fields.map { field in
            field.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
                ? "\"" + field.replacing("\"", with: "\"\"") + "\"" : field
        }.joined(separator: ",") + "\r\n"
    }
}

extension Dashboard {
    var exports: [OtherRoute] {
        [
            OtherRoute("GET", "/sync/{id}/{stream}/rows.csv") { request, context in
                try await answered(request, context) { page in
                    guard page.visitor != nil else { return Self.redirect("/sign-in") }
                    let place = try await StreamPlace(page)
                    let csv = StreamCSV(
                        database: app.database, table: place.stream.table, account: place.connection.openID,
                        deletedToo: page.query["deleted"] == "yes")
                    var headers = Self.headers
                    headers[.contentType] = "text/csv; charset=utf-8"
                    headers[.contentDisposition] = "attachment; filename=\"\(place.stream.table.name).csv\""
                    return Response(status: .ok, headers: headers, body: .init { try await csv.write(to: &$0) })
                }
            }
        ]
    }
}
