import Kit
import TestSupport
import Testing

@testable import Store

@Suite("Transactions, on both engines")
struct DatabaseTests {
    @Test("values come back as they were bound, out of order too", arguments: TestEngine.all)
    func roundTrip(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let bytes: [UInt8] = [0, 255, 39, 92, 0]
            let text = "né'\"\\ \u{1F9C1}"

            let read = try await database.write("insert") { session in
                try session.run(
                    "INSERT INTO bodies (checksum, encoding, bytes, id) VALUES (\(-7), \(text), \(bytes), \("a"))")
                return try session.row("SELECT bytes, encoding, checksum, key_id FROM bodies WHERE id = \("a")") {
                    row in
                    (try row.blob(), try row.text(), try row.integer(), try row.optionalText())
                }
            }

            #expect(read?.0 == bytes && read?.1 == text && read?.2 == -7 && read?.3 == nil)
        }
    }

    @Test("empty bytes and empty text are values, not NULL", arguments: TestEngine.all)
    func empty(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let read = try await database.write("insert") { session in
                try session.run(
                    "INSERT INTO bodies (id, bytes, encoding, checksum) VALUES (\(""), \([UInt8]()), \(""), 0)")
                return try session.row("SELECT id, bytes FROM bodies") { row in (try row.text(), try row.blob()) }
            }

            #expect(read?.0 == "" && read?.1 == [])
        }
    }

    @Test("a closure that throws leaves nothing behind, its neighbours stay", arguments: TestEngine.all)
    func rollback(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        let fails = number % 4 == 0
                        do {
                            try await database.write("one") { session in
                                try session.run("INSERT INTO instance (key, value) VALUES (\("k\(number)"), \("v"))")
                                if fails { throw Refused() }
                            }
                            #expect(!fails)
                        } catch is Refused {
                            #expect(fails)
                        }
                    }
                }
                try await group.waitForAll()
            }

            let kept = try await database.read("count") {
                try $0.row("SELECT count(*) FROM instance") { try $0.integer() }
            }
            #expect(kept == 30)
        }
    }

    @Test(
        "a disk that fills in the middle of a shared commit: each closure is kept whole or not at all",
        arguments: [10, 25, 47, 68, 90])
    func fullInTheMiddle(more: Int) async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await database.write("room") { session in
                let pages = Int(try session.row("PRAGMA page_count") { try $0.integer() } ?? 0)
                try session.limitPages(pages + more)
            }
            // Alone, so that it is kept: where all share one commit that fails twice, none of them may be.
            let first = try #require(await keepTwoRows("first", size: 10, in: database))
            let kept = await withTaskGroup(of: String?.self) { group in
                for number in 0..<400 {
                    group.addTask { await keepTwoRows("k\(number)", size: number % 3 == 0 ? 9000 : 10, in: database) }
                }
                return await group.reduce(into: Set([first])) { kept, key in if let key { kept.insert(key) } }
            }

            let stored = try await database.read("stored") { session in
                (
                    Set(try session.rows("SELECT id FROM bodies") { try $0.text() }),
                    Set(try session.rows("SELECT key FROM instance") { try $0.text() })
                )
            }
            #expect(stored.0 == kept && stored.1 == kept)
            #expect(kept.count < 400)
        }
    }

    /// Its key, if the database says that both rows are kept.
    private func keepTwoRows(_ key: String, size: Int, in database: any Database) async -> String? {
        do {
            try await database.write("two") { session in
                let bytes = [UInt8](repeating: 7, count: size)
                try session.run(
                    "INSERT INTO bodies (id, bytes, encoding, checksum) VALUES (\(key), \(bytes), 'raw', 0)")
                try session.run("INSERT INTO instance (key, value) VALUES (\(key), 'v')")
            }
            return key
        } catch {
            return nil
        }
    }

    @Test("a session used after its transaction throws and does not trap", arguments: TestEngine.all)
    func escaped(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let escaped = try await database.write("escape") { Escape(session: $0) }

            #expect(throws: StoreError.sessionClosed) { try escaped.session.feedHead() }
        }
    }

    @Test(
        "a broken rule of the schema is a constraint, a value that cannot be held is unholdable",
        arguments: TestEngine.all)
    func errors(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let twice = await problem {
                try await database.write("twice") { session in
                    for _ in 0..<2 { try session.run("INSERT INTO instance (key, value) VALUES ('k', 'v')") }
                }
            }
            #expect(twice.map { if case .constraint = $0 { true } else { false } } == true)

            let wrong = await problem {
                try await database.write("wrong") { session in
                    _ = try session.run("INSERT INTO writes (id, at) VALUES (\([UInt8(1)]), \("not a number"))")
                }
            }
            // STRICT tables call it a constraint.
            #expect(
                wrong.map { if case .unholdable = $0 { true } else if case .constraint = $0 { true } else { false } }
                    == true)
        }
    }

    @Test("look, then act: two closures at once never both win", arguments: TestEngine.all)
    func writeSkew(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await database.write("seed") { session in
                try session.run("INSERT INTO instance (key, value) VALUES ('a', 'free'), ('b', 'free')")
            }
            for _ in 0..<20 {
                let wins = await withTaskGroup(of: Bool.self) { group in
                    for key in ["a", "b"] {
                        group.addTask { (try? await take(key, in: database)) ?? false }
                    }
                    return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(wins == 1)
                try await database.write("reset") { try $0.run("UPDATE instance SET value = 'free'") }
            }
        }
    }

    private func take(_ key: String, in database: any Database) async throws -> Bool {
        try await database.write("take") { session in
            let free = try session.row("SELECT count(*) FROM instance WHERE value = 'free'") { try $0.integer() }
            guard free == 2 else { return false }
            try session.run("UPDATE instance SET value = 'taken' WHERE key = \(key)")
            return true
        }
    }

    @Test("a database made by a newer program is refused, in words", arguments: TestEngine.all)
    func newer(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await database.write("pretend") { session in
                try session.run(
                    """
                    INSERT INTO schema_migrations (version, name, program, applied_at)
                    VALUES (999, 'later', '9.9.0', 0)
                    """
                )
            }

            let refused = await problem { _ = try await database.migrate(program: "test", at: .testNow) }

            #expect(refused == .newer(madeBy: "9.9.0", version: 999, known: Migrations.known))
            #expect(refused?.description.contains("Use Patchbay 9.9.0 or newer.") == true)
        }
    }

    @Test("a second migration changes nothing; foreign tables are not touched", arguments: TestEngine.all)
    func migrations(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let applied = try await database.migrate(program: "test", at: .testNow)
            #expect(applied == [])
        }
        try await TestDatabase.with(engine, migrated: false) { database in
            try await database.schema("foreign") { session in
                if engine == .postgres { try session.run("CREATE SCHEMA patchbay") }
                try session.run("CREATE TABLE customers (id TEXT)")
            }

            let refused = await problem { _ = try await database.migrate(program: "test", at: .testNow) }

            #expect(refused.map { if case .refused = $0 { true } else { false } } == true)
        }
    }
}

private struct Refused: Error {}
private struct Escape: @unchecked Sendable { let session: Session }  // What the test proves harmless.

func problem(_ body: () async throws -> Void) async -> StoreError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? StoreError
    }
}
