import Foundation
import Kit
import Logging
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Bodies are sealed at rest where the operator wants it")
struct SealedBodiesTests {
    private static let canary = "lena.brot@example.com"
    private static let first = (id: "k1", secret: Secret([UInt8](repeating: 1, count: 32)))
    private static let second = (id: "k2", secret: Secret([UInt8](repeating: 2, count: 32)))
    private let ids = Identifiers(now: { .testNow })

    /// A database that opens and seals bodies by these keys.
    private func with(
        _ url: String, _ engine: TestEngine, keys: [(id: String, secret: Secret)], at now: Timestamp = .testNow,
        seals: Bool = true, _ body: (any Database) async throws -> Void
    ) async throws {
        let vault = Vault(keyring: Keyring(keys))
        let bodies = BodySealing.keys(vault)
        let database: any Database =
            switch engine {
            case .sqlite:
                try SQLiteDatabase(
                    path: String(url.dropFirst("sqlite:".count)), owner: true, bodies: bodies, logger: .quiet)
            case .postgres:
                try PostgresDatabase(url: url, connections: 3, ingestConnections: 1, bodies: bodies, logger: .quiet)
            }
        do {
            _ = try await database.migrate(program: "test", at: .testNow)
            if seals { try await sealing(bodies, vault, database, at: now).seal() }
            try await body(database)
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    private func sealing(
        _ bodies: BodyKeys, _ vault: Vault, _ database: any Database, at now: Timestamp
    ) -> BodySealing {
        BodySealing(
            bodies, vault: vault, database: database, ids: ids, time: TestClock(now).source, logger: .quiet)
    }

    private func arrival(_ text: String, at now: Timestamp = .testNow) -> Arrival {
        let bytes = Array(text.utf8)
        let event = ArrivingEvent(
            id: ids.make(),
            event: Event(identity: EventIdentity(day: 1, of: bytes), type: "a.b", body: 1..<(bytes.count - 1)),
            job: nil, change: nil)
        return Arrival(
            id: ids.make(), provider: "sample", app: ids.make(), receivedAt: now, method: "POST", target: [],
            headers: [], remote: nil, body: bytes, checksum: Checksum.of(bytes), flags: nil, reason: nil,
            events: [event], review: nil)
    }

    private func keep(_ arrivals: [Arrival], in database: any Database) async throws {
        try await database.set("keep", in: .ingest) { _ = try $0.keep(arrivals) }
    }

    /// Whether each body reads as it came, by the event, the delivery and the list.
    private func areWhole(_ arrivals: [Arrival], in database: any Database) async throws -> Bool {
        try await database.read("whole") { session in
            let rows = try session.events(EventFilter(), ListPage(limit: 100))
            let listed = try session.payloads(of: rows, bytesMax: 10 << 20).bytes
            return try arrivals.allSatisfy { arrival in
                guard let event = arrival.events.first else { return false }
                let part = Array(arrival.body[event.event.body])
                return try session.deliveryBody(arrival.id) == arrival.body
                    && session.event(event.id)?.body == part && listed[event.id.text] == part
            }
        }
    }

    private func stored(_ database: any Database) async throws -> [(bytes: [UInt8], encoding: String, key: String?)] {
        try await database.read("stored") { session in
            try session.rows("SELECT bytes, encoding, key_id FROM bodies ORDER BY id") { row in
                (try row.blob(), try row.text(), try row.optionalText())
            }
        }
    }

    private func compress(_ database: any Database) async throws {
        let part = try await database.read("loose") {
            try $0.looseBodies(before: .testNow + .days(1), limit: 100, bytesMax: 10 << 20)
        }
        let packed: [(body: LooseBody, stored: [UInt8])] = part.bodies.compactMap { body in
            BodyCoding.compressed(body.bytes).map { (body, $0) }
        }
        let last = try #require(part.last)
        _ = try await database.set("compress", in: .maintenance) { try $0.compress(packed, upTo: last) }
    }

    @Test("what came stands in no row and no file, new or compressed, and reads as it came", arguments: TestEngine.all)
    func canary(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let long = String(repeating: "{\"who\":\"\(Self.canary)\"}", count: 200)
            let arrivals = ["[\"\(Self.canary)\"]", "[\(long)]"].map { arrival($0) }
            try await with(url, engine, keys: [Self.first]) { database in
                try await keep(arrivals, in: database)
                let rejection = Rejection(
                    id: ids.make(), provider: "sample", receivedAt: .testNow, code: "wrong_signature", reason: "-",
                    method: "POST", target: [], headers: [], remote: nil, size: 30, body: Array(Self.canary.utf8),
                    checksum: Checksum.of(Array(Self.canary.utf8)))
                try await database.set("reject", in: .maintenance) { try $0.keepRejected([rejection]) }
                #expect(try await stored(database).map(\.encoding) == ["sealed", "sealed", "sealed"])
                #expect(try await areWhole(arrivals, in: database))

                try await compress(database)

                let rows = try await stored(database)
                #expect(Set(rows.map(\.encoding)) == ["sealed", "sealed-zlib"])
                #expect(rows.allSatisfy { $0.key == "2026-11" })
                #expect(rows.contains { $0.encoding == "sealed-zlib" && $0.bytes.count < 400 }, "compressed first")
                let needle = Array(Self.canary.utf8)
                #expect(rows.allSatisfy { $0.bytes.firstRange(of: needle) == nil })
                #expect(try await areWhole(arrivals, in: database))
                let found = try await database.read("naming") { try $0.bodiesNaming([Self.canary], limit: 10) }
                #expect(found == [rejection.id.text])
            }
            guard engine == .sqlite else { return }
            let path = String(url.dropFirst("sqlite:".count))
            for file in [path, path + "-wal"] where FileManager.default.fileExists(atPath: file) {
                let bytes = try Data(contentsOf: URL(filePath: file))
                #expect(bytes.firstRange(of: Data(Self.canary.utf8)) == nil, "\(file)")
            }
        }
    }

    @Test(
        "keys are rotated without a body being written anew; without them nothing opens",
        arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let arrivals = [arrival("[\"\(Self.canary)\"]")]
            try await with(url, engine, keys: [Self.first]) { try await keep(arrivals, in: $0) }

            try await with(url, engine, keys: [Self.second, Self.first], seals: false) { database in
                let rotation = KeyRotation(
                    database: database, vault: Vault(keyring: Keyring([Self.second, Self.first])), ids: ids,
                    time: TestClock().source, actor: "test")
                let outcome = try await rotation.rotate()
                #expect(outcome == KeyRotation.Outcome(resealed: 1))
                let counts = try await rotation.audit().counts
                #expect(counts == [SealedCount(table: .bodies, keyID: "k2", rows: 1)])
            }

            try await with(url, engine, keys: [Self.second], seals: false) { database in
                #expect(try await areWhole(arrivals, in: database))
                // Off: what comes from now on is not sealed, what came is read all the same.
                let plain = [arrival("[\"in clear\"]")]
                try await keep(plain, in: database)
                #expect(try await stored(database).map(\.encoding) == ["sealed", "raw"])
                #expect(try await areWhole(arrivals + plain, in: database))
            }
            try await with(url, engine, keys: [Self.first], seals: false) { database in
                await #expect(throws: StoreError.self) { _ = try await areWhole(arrivals, in: database) }
            }
        }
    }

    @Test("each month has a key of its own, which goes when its bodies are gone", arguments: TestEngine.all)
    func months(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let (later, arrivals) = (Timestamp.testNow + .days(70), [arrival("[1]")])
            try await with(url, engine, keys: [Self.first]) { try await keep(arrivals, in: $0) }
            try await with(url, engine, keys: [Self.first], at: later) { database in
                let next = [arrival("[2]", at: later)]
                try await keep(next, in: database)
                #expect(Set(try await stored(database).map(\.key)) == ["2026-11", later.month])
                #expect(try await areWhole(arrivals + next, in: database))

                let kept = try await database.set("sweep", in: .maintenance) {
                    try $0.sweepBodyKeys(before: (later - .days(40)).month)
                }
                #expect(kept == 0, "its body is still there")
                let removed = try await database.set("sweep", in: .maintenance) { session in
                    _ = try session.removeBodies([arrivals[0].id.text], at: later)
                    return try session.sweepBodyKeys(before: (later - .days(40)).month)
                }
                #expect(removed == 1)
                #expect(try await areWhole(next, in: database))
                #expect(try await database.read("key") { try $0.bodyKey("2026-11") } == nil)
            }
        }
    }

    @Test("a bit that turns is found, whatever is sealed beside it", arguments: TestEngine.all)
    func damaged(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            try await with(url, engine, keys: [Self.first]) { database in
                let arrival = arrival("[\"\(Self.canary)\"]")
                try await keep([arrival], in: database)
                let bytes = try #require(try await stored(database).first).bytes
                for place in bytes.indices {
                    var turned = bytes
                    turned[place] ^= 1
                    try await database.write("turn") { [turned] session in
                        _ = try session.run("UPDATE bodies SET bytes = \(turned)")
                    }
                    await #expect(throws: StoreError.damaged("the body of \(arrival.id)")) {
                        _ = try await database.read("body") { try $0.deliveryBody(arrival.id) }
                    }
                }
                try await database.write("cut") {
                    _ = try $0.run("UPDATE bodies SET bytes = \([UInt8](bytes.prefix(9)))")
                }
                await #expect(throws: StoreError.self) {
                    _ = try await database.read("body") { try $0.deliveryBody(arrival.id) }
                }
            }
        }
    }
}
