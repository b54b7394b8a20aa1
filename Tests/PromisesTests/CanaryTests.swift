import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

/// A server is fed with marked secrets and marked personal data and made to fail in every way; then whatever it has
/// written or said is searched. Secrets may be nowhere, personal data in the rows that hold it and nowhere else.
@Suite("R20 secrets and personal data are where they belong and nowhere else", .serialized)
struct CanaryTests {
    @Test("logs, metrics, problems, pages, the command line, the database and its log", arguments: TestEngine.all)
    func scan(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let platform = try Responder(status: 500, body: Canaries.platformAnswer)
            defer { platform.stop() }
            var canaries = Canaries()
            let server = try ServerProcess(databaseURL: url, environment: Canaries.environment(platform: platform.port))
            canaries.add(secret: try server.makeKey())

            try await server.start()
            let told = try await CanaryStory(server: server, platform: platform, canaries: canaries).run()
            canaries = told.canaries
            var findings = canaries.all(in: told.answers, of: "answer")
            for run in try Self.verbs(server, key: canaries.key, told) {
                findings += canaries.all(in: [Data(run.output.utf8)], of: "output")
            }
            findings += try await Self.pages(server, canaries)
            server.crash()  // What its log has not been moved into the file yet is searched, too.

            findings += canaries.all(in: [Data(server.logText.utf8)], of: "log")
            findings += canaries.secretBytes(in: try Self.files(url, engine), of: "file")
            findings += try await Self.cells(url, engine, canaries)
            #expect(findings == [])
            #expect(server.logText.contains("request.answered") && server.logText.contains("delivery.refused"))
            #expect(!platform.requests.isEmpty)
        }
    }

    @Test(
        "a start that fails says why, without the value",
        arguments: [
            ["PATCHBAY_ENCRYPTION_KEYS": "k1:Y2FuYXJ5LXRvby1zaG9ydA=="], ["STRIPE_WEBHOOK_SECRT": "canary-of-a-typo"],
            ["STRIPE_SECRET_KEY": "sk_live_canaryOfTheWrongMode0000"], ["STANDARD_WEBHOOKS_SECRET": "whsec_canary!"],
            ["STRIPE_WEBHOOK_SECRET": "canary-short"],
            ["PATCHBAY_DATABASE_URL": "postgresql://patchbay:canary-password@127.0.0.1:1/none"],
            ["PATCHBAY_DATABASE_URL": "mysql://patchbay:canary-password@127.0.0.1:1/none"],
            ["PATCHBAY_REDIS_URL": "canary-password"],
        ])
    func start(environment: [String: String]) async throws {
        for verb in ["serve", "doctor", "migrate"] {
            let base = [
                "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": "sqlite:/nonexistent/patchbay.sqlite",
                "PATCHBAY_LISTEN": "127.0.0.1:\(try freePort())",
            ]
            let run = try CommandLineRun([verb], environment: base.merging(environment) { $1 })

            #expect(run.status != 0)
            #expect(!run.output.lowercased().contains("canary") && !run.output.contains("Y2FuYXJ5"), "\(run.output)")
        }
    }

    // MARK: Where it is looked for

    /// Secrets are on no page. Personal data is on the pages that are there to show it.
    private static func pages(_ server: ServerProcess, _ canaries: Canaries) async throws -> [String] {
        let environment = Canaries.environment(platform: 1).merging([
            "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": server.databaseURL,
            "PATCHBAY_LISTEN": "127.0.0.1:\(server.port)", "PATCHBAY_LOG": "text,error",
        ]) { $1 }
        let shown = try await CanaryPages(server: server).walk(environment: environment)
        #expect(shown.count > 60, "\(shown.count) pages")
        var reached: Set<String> = []
        let findings = shown.flatMap { page in
            canaries.everywhere.compactMap { canary -> String? in
                guard page.text.range(of: Data(canary.text.utf8)) != nil else { return nil }
                reached.insert(canary.name)
                guard !canary.pages.contains(where: page.path.hasPrefix) else { return nil }
                return "\(canary.name) stands on the page \(page.path)"
            }
        }
        #expect(reached.count >= 6, "the walk does not reach the pages that show something: \(reached)")
        return findings
    }

    private static func verbs(_ server: ServerProcess, key: String, _ told: CanaryStory.Told) throws -> [CommandLineRun]
    {
        let environment = Canaries.environment(platform: 1).merging([
            "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": server.databaseURL,
            "PATCHBAY_URL": "http://127.0.0.1:\(server.port)", "PATCHBAY_API_KEY": key,
        ]) { $1 }
        let lists = [
            "doctor", "vault audit", "migrate --print", "keys list", "events list", "jobs list", "reviews list",
            "alerts list", "audit", "users list", "endpoints attempts \(told.endpoint)", "trace \(told.event)",
            "why \(told.event)",
        ]
        var runs: [CommandLineRun] = []
        for line in lists {
            let words = line.split(separator: " ").map(String.init)
            // As JSON these show what the rows hold: a user, a payload, a receiver's answer. A migration is SQL anyway.
            for more in ["users", "events", "endpoints", "migrate"].contains(words[0]) ? [[]] : [[], ["--json"]] {
                let run = try CommandLineRun(words + more, environment: environment)
                #expect([0, 1].contains(run.status) && !run.output.isEmpty, "\(line): \(run.output)")
                runs.append(run)
            }
        }
        return runs
    }

    /// The bytes of the database's files, where they are files that only this database has.
    private static func files(_ url: String, _ engine: TestEngine) throws -> [Data] {
        guard engine == .sqlite else { return [] }
        let folder = URL(fileURLWithPath: String(url.dropFirst("sqlite:".count))).deletingLastPathComponent()
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.contains { $0.hasSuffix("-wal") })
        // Beside them lies the folder for objects.
        return try names.filter { !$0.hasSuffix("-objects") }.map { try Data(contentsOf: folder.appending(path: $0)) }
    }

    /// Every text and every blob of every table.
    private static func cells(_ url: String, _ engine: TestEngine, _ canaries: Canaries) async throws -> [String] {
        let database = try TestDatabase.open(url, engine)
        var findings: [String] = []
        for (table, column) in try await database.read("columns", { try $0.textColumns(engine) }) {
            let strangers = canaries.everywhere.filter { !$0.allowed.contains("\(table).\(column)") }
            // All in one look: which of them it was, matters only when something is found.
            findings += try await database.read("cells") { session in
                guard try session.cells(of: table, column, holding: strangers.map(\.text), engine) > 0 else {
                    return []
                }
                return try strangers.filter {
                    try session.cells(of: table, column, holding: [$0.text], engine) > 0
                }.map { "\($0.name) stands in \(table).\(column)" }
            }
        }
        for canary in canaries.everywhere where !canary.allowed.isEmpty {
            let isThere = try await database.read("there") { session in
                try canary.allowed.contains { place in
                    let parts = place.split(separator: ".").map(String.init)
                    return try session.cells(of: parts[0], parts[1], holding: [canary.text], engine) > 0
                }
            }
            if !isThere { findings.append("\(canary.name) is nowhere: the test does not reach its place") }
        }
        await database.close()
        return findings
    }
}

extension Session {
    /// Tables with their columns of text and bytes.
    fileprivate func textColumns(_ engine: TestEngine) throws -> [(table: String, column: String)] {
        let sql: SQL =
            switch engine {
            case .sqlite:
                """
                SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table' AND c.type IN ('TEXT', 'BLOB') ORDER BY m.name, c.cid
                """
            case .postgres:
                """
                SELECT table_name::text, column_name::text FROM information_schema.columns
                 WHERE table_schema = 'patchbay' AND data_type IN ('text', 'bytea') ORDER BY 1, ordinal_position
                """
            }
        let columns = try rows(sql) { row in (table: try row.text(), column: try row.text()) }
        guard columns.count > 100 else { throw ServerDied(log: "only \(columns.count) columns of text") }
        return columns
    }

    /// How many rows hold one of the texts in this column.
    fileprivate func cells(of table: String, _ column: String, holding texts: [String], _ engine: TestEngine) throws
        -> Int64
    {
        let (table, column) = (SQL(stringLiteral: table), SQL(stringLiteral: column))
        let tests = texts.map { text -> SQL in
            switch engine {
            case .sqlite: "instr(CAST(\(column) AS BLOB), CAST(\(text) AS BLOB)) > 0"
            case .postgres: "strpos(encode(CAST(CAST(\(column) AS text) AS bytea), 'escape'), \(text)) > 0"
            }
        }
        return try row("SELECT count(*) FROM \(table) WHERE \(SQL.joined(tests, by: " OR "))") { try $0.integer() } ?? 0
    }
}
