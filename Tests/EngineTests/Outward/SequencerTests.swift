import Glibc
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("The feed's order")
struct SequencerTests {
    /// Eight writers with pauses between insert and commit; sequencers killed at random, two at a time.
    @Test("every reader sees 1…n without gaps, and each subject in its order", arguments: TestEngine.all)
    func dense(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (written, placed) = (Bell(), Bell())
            let identifiers = Identifiers(now: { Timestamp.system })
            let subjects = 5
            try await database.write("subjects") { session in
                for subject in 0..<subjects { _ = try session.bump("s\(subject)", create: true) }
            }
            let isDone = Flag()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for seed in 0..<3 {
                    group.addTask {
                        try await Self.sequenceAndDie(database, identifiers, written, placed, seed: seed, isDone)
                    }
                }
                for _ in 0..<2 {
                    group.addTask {
                        try await Self.read(database, isDone)
                    }
                }
                try await withThrowingTaskGroup(of: Void.self) { writers in
                    for writer in 0..<8 {
                        writers.addTask {
                            for turn in 0..<25 {
                                let subject = "s\((writer + turn) % subjects)"
                                let id = identifiers.make(ChangeKind.self)
                                let pause = Int(identifiers.unit() * 4000)
                                try await Self.again {
                                    try await database.write("act") { session in
                                        let version = try session.bump(subject)
                                        try session.append([
                                            NewChange(
                                                id: id, type: "t.happened", subject: subject, version: version,
                                                occurredAt: .testNow, data: Array("{}".utf8))
                                        ])
                                        if engine == .postgres { session.pause(microseconds: pause) }
                                    }
                                }
                                written.ring()
                            }
                        }
                    }
                    try await writers.waitForAll()
                }
                while try await database.read("head", { try $0.feedHead() }) < 200 {
                    try await Task.sleep(for: .milliseconds(10), clock: .continuous)
                }
                isDone.set()
                try await group.waitForAll()
            }

            let changes = try await database.read("all") { try $0.changes(after: 0, limit: 1000) }
            #expect(changes.map(\.position) == Array(1...200))
            for subject in 0..<subjects {
                let versions = changes.filter { $0.subject == "s\(subject)" }.map(\.version)
                #expect(versions == versions.sorted() && Set(versions).count == versions.count)
            }
        }
    }

    /// What every caller of the store does when too many writers met: the same again.
    private static func again(_ act: () async throws -> Void) async throws {
        while true {
            do { return try await act() } catch StoreError.conflict { continue }
        }
    }

    /// Runs a sequencer for a little while, kills its node, begins again as another.
    private static func sequenceAndDie(
        _ database: any Database, _ identifiers: Identifiers, _ written: Bell, _ placed: Bell, seed: Int,
        _ isDone: Flag
    ) async throws {
        while !isDone.isSet {
            let node = identifiers.make(NodeKind.self)
            let life = Duration.milliseconds(20 + Int64(identifiers.unit() * 120))
            let sequencer = Sequencer(
                database: database, node: { node }, written: written, placed: placed, time: .system,
                logger: .quiet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await sequencer.run() }
                try await Task.sleep(for: life, clock: .continuous)
                if seed == 0 { _ = try await database.write("revoke") { try $0.revoke(node, at: .testNow) } }
                group.cancelAll()
            }
        }
    }

    /// Follows from the start; whatever it has seen once must be dense.
    private static func read(_ database: any Database, _ isDone: Flag) async throws {
        var position: Int64 = 0
        while !isDone.isSet {
            let after = position
            let new = try await database.read("follow") { try $0.changes(after: after, limit: 50) }
            #expect(new.map(\.position) == Array((position + 1)..<(position + 1 + Int64(new.count))))
            position += Int64(new.count)
            try await Task.sleep(for: .milliseconds(3), clock: .continuous)
        }
    }

    @Test("a sequencer that dies is succeeded within two seconds")
    func takeover() async throws {
        guard TestEngine.all.contains(.postgres) else { return }
        try await TestDatabase.with(.postgres) { database in
            let identifiers = Identifiers(now: { Timestamp.system })
            let (first, second) = (identifiers.make(NodeKind.self), identifiers.make(NodeKind.self))
            _ = try await database.set("take", in: .work) {
                try $0.takeLease(Sequencer.lease, for: first, at: .testNow)
            }
            // A sleep takes a millisecond and is written down, so that a busy machine cannot make the successor late.
            let slept = Mutex<[Duration]>([])
            let time = TimeSource(
                now: { Timestamp.system }, uptime: { .zero },
                sleep: { duration in
                    slept.withLock { $0.append(duration) }
                    try await Task.sleep(for: .milliseconds(1), clock: .continuous)
                })
            let successor = Sequencer(
                database: database, node: { second }, written: Bell(), placed: Bell(), time: time, logger: .quiet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await successor.run() }
                try await database.write("act") { session in
                    try session.append([
                        NewChange(
                            id: identifiers.make(), type: "t.happened", subject: nil, occurredAt: .testNow,
                            data: Array("{}".utf8))
                    ])
                }
                _ = try await database.write("revoke") { try $0.revoke(first, at: .testNow) }
                slept.withLock { $0 = [] }
                while try await database.read("head", { try $0.feedHead() }) < 1 {
                    try await Task.sleep(for: .milliseconds(10), clock: .continuous)
                }
                let standby = slept.withLock { $0.filter { $0 >= .milliseconds(500) }.reduce(Duration.zero, +) }
                #expect(standby < .seconds(2))
                group.cancelAll()
            }
        }
    }
}

extension Session {
    /// The next version of a subject, whose row is held to the end of the transaction.
    fileprivate func bump(_ subject: String, create: Bool = false) throws -> Int64 {
        if create { try run("INSERT INTO instance (key, value) VALUES (\(subject), '0')") }
        let version = try row("SELECT value FROM instance WHERE key = \(subject) \(dialect.forUpdate)") {
            try $0.text()
        }
        let next = (version.flatMap { Int64($0) } ?? 0) + 1
        try run("UPDATE instance SET value = \(String(next)) WHERE key = \(subject)")
        return next
    }

    /// Holds the transaction open.
    fileprivate func pause(microseconds: Int) { usleep(UInt32(microseconds)) }
}

private final class Flag: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
