import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Publications that come too late, or are long over")
struct LatePublicationTests {
    /// One planned for in an hour that nobody began until long after.
    private static func late(
        _ engine: TestEngine, by lateness: Duration,
        _ body: (PublishRig, PublishRig.Node, ID<TargetKind>) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database) { rig in
                let planned = rig.clock.now + .hours(1)
                let target = try await rig.publish(at: planned)
                let node = try await rig.node()
                rig.clock.advance(to: planned + lateness)
                try await rig.turn(node)
                try await body(rig, node, target)
            }
        }
    }

    private static func reviews(_ rig: PublishRig, of target: ID<TargetKind>) async throws -> [String] {
        try await rig.database.read("reviews") { session in
            try session.rows("SELECT kind, state FROM reviews WHERE subject = \(target)") { row in
                "\(try row.text()) \(try row.text())"
            }
        }
    }

    @Test("more than an hour late nothing leaves until somebody says so", arguments: TestEngine.all)
    func asked(engine: TestEngine) async throws {
        try await Self.late(engine, by: .minutes(61)) { rig, node, target in
            let asked = try await rig.target(target)
            #expect(asked.state == .scheduled && asked.who == "you" && rig.platform.calls.isEmpty)
            #expect(try await Self.reviews(rig, of: target) == ["late_publication open"])
            // Looked at again, nobody is asked twice.
            let now = rig.clock.now
            _ = try await rig.database.write("look") { try $0.reschedule(Publishing.key(of: target), to: now, at: now) }
            try await rig.turn(node)
            #expect(try await Self.reviews(rig, of: target) == ["late_publication open"])
            #expect(rig.platform.calls.isEmpty)

            let publishing = Publishing(publishers: [], vault: rig.vault, ids: rig.ids)
            let act = publishing.late(target, sends: true, at: rig.clock.now)
            try await rig.database.write("decide") { try act($0) }
            try await rig.settle(node)
            #expect(try await rig.target(target).state == .published)
        }
    }

    @Test("cancelled, it never leaves, and the question is answered", arguments: TestEngine.all)
    func cancelled(engine: TestEngine) async throws {
        try await Self.late(engine, by: .hours(30)) { rig, node, target in
            let publishing = Publishing(publishers: [], vault: rig.vault, ids: rig.ids)
            let act = publishing.late(target, sends: false, at: rig.clock.now)
            try await rig.database.write("decide") { try act($0) }
            try await rig.settle(node)
            #expect(try await rig.target(target).state == .cancelled && rig.platform.calls.isEmpty)
            #expect(try await Self.reviews(rig, of: target) == ["late_publication decided"])
        }
    }

    @Test("within the hour it goes by itself")
    func inTime() async throws {
        try await Self.late(.sqlite, by: .minutes(59)) { rig, node, target in
            try await rig.settle(node)
            #expect(try await rig.target(target).state == .published)
            #expect(try await Self.reviews(rig, of: target).isEmpty)
        }
    }

    @Test("one that is over goes when its time is over; one that is not stays", arguments: TestEngine.all)
    func retention(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            try await PublishRig.with(database) { rig in
                let over = try await rig.publish()
                try await rig.settle(try await rig.node())
                let open = try await rig.publish(at: rig.clock.now + .days(300))
                var limits = RetentionLimits()
                limits.publications = .days(3)
                for (later, count) in [(Duration.days(2), 0), (.days(4), 1)] {
                    let now = rig.clock.now + later
                    let gone = try await database.set("expire", in: .maintenance) { [limits] session in
                        try session.expire(.publications, limits: limits, at: now, limit: 10)
                    }
                    #expect(gone == count)
                }
                let left = try await database.read("left") { session in
                    (try session.target(over), try session.target(open), try session.isNeeded(rig.film))
                }
                #expect(left.0 == nil && left.1 != nil && left.2)
            }
        }
    }
}
