import Engine
import Hummingbird
import Kit
import NIOCore
import Store

/// What is kept of the accounts that a user is connected to: members of the export, by the tables' names.
struct RecordExport: Sendable {
    private static let rowsAtOnce = 200

    let database: any Database
    let user: String

    func write(to out: inout any ResponseBodyWriter) async throws {
        var filter = ConnectionFilter()
        filter.userID = user
        let rows = try await database.read("export_accounts") { [filter] in
            try $0.connections(filter, ListPage(limit: 500))
        }
        var isFirst = true
        for entry in Providers.syncBook.entries {
            let accounts = Set(rows.filter { $0.provider == entry.provider.id && !$0.openID.isEmpty }.map(\.openID))
            guard !accounts.isEmpty else { continue }
            let table = entry.stream.table
            try await list(table.name, isFirst: isFirst, to: &out) { emit, out in
                for account in accounts.sorted() { try await self.rows(table, account, emit, to: &out) }
            }
            isFirst = false
            guard let history = table.history else { continue }
            try await list(history, isFirst: false, to: &out) { emit, out in
                for account in accounts.sorted() { try await self.steps(table, account, emit, to: &out) }
            }
        }
    }

    private typealias Emit = (JSON, inout any ResponseBodyWriter) async throws -> Void

    private func list(
        _ name: String, isFirst: Bool, to out: inout any ResponseBodyWriter,
        _ content: (Emit, inout any ResponseBodyWriter) async throws -> Void
    ) async throws {
        try await out.write(ByteBuffer(string: (isFirst ? "" : ",") + "\"\(name)\":["))
        var comma = ""
        try await content(
            { json, out in
                try await out.write(ByteBuffer(bytes: Array(comma.utf8) + json.bytes))
                comma = ","
            }, &out)
        try await out.write(ByteBuffer(string: "]"))
    }

    private func rows(
        _ table: RecordTable, _ account: String, _ emit: Emit, to out: inout any ResponseBodyWriter
    ) async throws {
        var last: String?
        while true {
            let page = ListPage(limit: Self.rowsAtOnce, ascending: true, after: last)
            let rows = try await database.read("export_records") {
                try $0.records(in: table, of: account, deletedToo: true, page)
            }
            for row in rows.prefix(Self.rowsAtOnce) {
                try await emit(.object(RecordView(table: table, account: account, row: row).members), &out)
            }
            guard rows.count > Self.rowsAtOnce else { return }
            last = rows[Self.rowsAtOnce - 1].key
        }
    }

    private func steps(
        _ table: RecordTable, _ account: String, _ emit: Emit, to out: inout any ResponseBodyWriter
    ) async throws {
        var last: (key: String, at: Timestamp)?
        while true {
            let steps = try await database.read("export_steps") { [last] in
                try $0.steps(of: table, account: account, after: last, limit: Self.rowsAtOnce)
            }
            for step in steps {
                let head = [
                    JSONMember(table.key.name, .string(step.key)), JSONMember("account_id", .string(account)),
                    JSONMember("observed_at", JSON(step.at)),
                ]
                try await emit(.object(head + RecordJSON.members(table.metrics, step.metrics)), &out)
            }
            guard let end = steps.last, steps.count == Self.rowsAtOnce else { return }
            last = (end.key, end.at)
        }
    }
}
