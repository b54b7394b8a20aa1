import Foundation
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Store

/// What PostgreSQL refuses because two met, or because of one row among many.
@Suite("Transactions that meet")
struct CollisionTests {
    @Test(
        "two sets that take the same rows in opposite order: the deadlock is repeated, both are kept",
        .enabled(if: TestEngine.postgresURL != nil))
    func deadlock() async throws {
        try await TestDatabase.with(.postgres) { database in
            try await database.write("seed") {
                try $0.run("INSERT INTO instance (key, value) VALUES ('a', '0'), ('b', '0')")
            }
            let meeting = Meeting(2)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for keys in [["a", "b"], ["b", "a"]] {
                    group.addTask {
                        try await database.set("bump", in: .work) { session in
                            for (number, key) in keys.enumerated() {
                                if number == 1 { meeting.come() }
                                try session.run(
                                    """
                                    UPDATE instance SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)
                                     WHERE key = \(key)
                                    """)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }

            let values = try await database.read("values") { session in
                try session.rows("SELECT value FROM instance ORDER BY key") { try $0.text() }
            }
            #expect(values == ["2", "2"])
            #expect(meeting.count > 2, "one of them ran again")
        }
    }

    @Test(
        "two closures that cannot be put in an order: one is repeated, and decides on what the other did",
        .enabled(if: TestEngine.postgresURL != nil))
    func serialization() async throws {
        try await TestDatabase.with(.postgres) { database in
            try await database.write("seed") {
                try $0.run("INSERT INTO instance (key, value) VALUES ('a', 'free'), ('b', 'free')")
            }
            let meeting = Meeting(2)
            let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
                for key in ["a", "b"] {
                    group.addTask {
                        try await database.write("take", in: .work) { session in
                            let free = try session.row("SELECT count(*) FROM instance WHERE value = 'free'") {
                                try $0.integer()
                            }
                            meeting.come()
                            guard free == 2 else { return false }
                            try session.run("UPDATE instance SET value = 'taken' WHERE key = \(key)")
                            return true
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }

            #expect(wins.filter { $0 }.count == 1)
            #expect(meeting.count > 2, "one of them ran again")
        }
    }

    @Test(
        "a row that the engine refuses harms only itself: its set is halved until it stands alone",
        arguments: TestEngine.all)
    func halving(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await database.write("taken") { try $0.run("INSERT INTO instance (key, value) VALUES ('k13', 'old')") }
            let meeting = Meeting(2)
            let sets = Mutex<[Int]>([])
            let batcher = Batcher<Int, Int>("halving", in: .work, of: database) { session, numbers in
                if numbers == [0] { meeting.come() }  // The others gather behind it.
                sets.withLock { $0.append(numbers.count) }
                for number in numbers {
                    try session.run("INSERT INTO instance (key, value) VALUES (\("k\(number)"), '')")
                }
                return numbers
            }

            let refused = try await withThrowingTaskGroup(of: Int?.self) { group in
                for number in 0...32 {
                    group.addTask {
                        do {
                            return try await batcher.submit(number) == number ? nil : -1
                        } catch StoreError.constraint {
                            return number
                        }
                    }
                    if number == 0 { while batcher.held < 1 { await Task.yield() } }
                }
                while batcher.held < 33 { await Task.yield() }
                meeting.come()
                return try await group.reduce(into: [Int]()) { if let number = $1 { $0.append(number) } }
            }

            #expect(refused == [13])
            let kept = try await database.read("kept") { session in
                try session.row("SELECT count(*) FROM instance WHERE key LIKE 'k%'") { try $0.integer() }
            }
            #expect(kept == 33)
            let sizes = sets.withLock { $0 }
            #expect(sizes.contains(32) && sizes.contains(1), "\(sizes)")
        }
    }
}

/// Where so many wait for each other; whoever comes later passes. Nobody waits for more than ten seconds.
final class Meeting: Sendable {
    private let condition = NSCondition()
    private let size: Int
    private let came = Mutex(0)

    init(_ size: Int) { self.size = size }

    /// Who came so far, repetitions too.
    var count: Int { came.withLock { $0 } }

    func come() {
        condition.withLock {
            came.withLock { $0 += 1 }
            condition.broadcast()
            let end = Date(timeIntervalSinceNow: 10)
            while count < size, condition.wait(until: end) {}
        }
    }
}
