import Kit
import Synchronization
import TestSupport
import Testing
import TikTok

@testable import Engine
@testable import Store

@Suite("What a platform works on is given up")
struct PublishGivingUpTests {
    @Test("what the platform still fetches it is asked to give up, and it is not published", arguments: TestEngine.all)
    func givenUp(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            for losesAnswer in [false, true] {
                try await PublishRig.with(database, settings: PublishTests.pulled) { rig in
                    let node = try await rig.node()
                    let target = try await rig.publish(url: "https://cdn.example.com/rye.mp4")
                    try await rig.turn(node)
                    let before = try await rig.target(target)
                    #expect(before.state == .processing)
                    let asked = try await rig.giveUp(target)
                    #expect(asked.cancelled == 0 && asked.asked == 1)
                    #expect(try await rig.target(target).nextAction == "The platform is asked to give it up.")
                    // Asked for twice, it is the same.
                    #expect(try await rig.giveUp(target).asked == 1)
                    if losesAnswer { rig.platform.loseAnswer(to: 0, applied: true) }
                    try await rig.turn(node)

                    let row = try await rig.target(target)
                    #expect(
                        row.state == .cancelled && row.reason == "Cancelled at the platform before it was published.")
                    #expect(rig.platform.effect("post.cancelled") == 1 && rig.platform.effect("post.published") == 0)
                    #expect(try await rig.told(target).last == "publication.cancelled")
                    #expect(try await rig.leftOver(target) == 0)
                }
            }
        }
    }

    @Test("what the platform has it no longer gives up: it goes on, and says that it was too late")
    func tooLate() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database, settings: PublishTests.pulled) { rig in
                let node = try await rig.node()
                let target = try await rig.publish(url: "https://cdn.example.com/rye.mp4")
                try await rig.turn(node)
                rig.platform.fetchAll()
                #expect(try await rig.giveUp(target).asked == 1)
                try await rig.turn(node)

                let late = try await rig.target(target)
                #expect(late.state == .processing && late.reason?.hasPrefix("It came too late to be cancelled") == true)
                #expect(try await database.read("open") { try $0.cancellable([target]) }.isEmpty)
                try await rig.settle(node)
                let row = try await rig.target(target)
                #expect(row.state == .published && row.reason == late.reason)
                #expect(rig.platform.effect("post.published") == 1)
            }
        }
    }

    @Test("a platform that is away when it is asked to give up is asked again, and nothing fails of it")
    func awayWhenGivenUp() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database, settings: PublishTests.pulled) { rig in
                let node = try await rig.node()
                let target = try await rig.publish(url: "https://cdn.example.com/rye.mp4")
                try await rig.turn(node)
                _ = try await rig.giveUp(target)
                let away = try await rig.node(wire: Away(path: "/cancel/", real: rig.platform))
                try await rig.turn(away)
                #expect(try await rig.target(target).state == .processing)

                rig.clock.advance(.minutes(10))
                try await rig.turn(node)
                #expect(try await rig.target(target).state == .cancelled)
            }
        }
    }

    /// Nobody answers at some addresses.
    private struct Away: StreamWire {
        struct Lost: Error {}
        let path: String
        let real: PlatformInProcess

        func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
            guard !request.url.contains(path) else { throw Lost() }
            return try await real.send(request, within: deadline)
        }
    }

    @Test("a webhook says that somebody has cancelled it at the platform")
    func cancelledThere() async throws {
        try await TestDatabase.with(.sqlite) { database in
            try await PublishRig.with(database, settings: PublishTests.pulled) { rig in
                let target = try await rig.publish(url: "https://cdn.example.com/rye.mp4")
                try await rig.turn(try await rig.node())
                try await rig.hear(
                    "post.publish.failed", of: try await rig.target(target),
                    more: [.init("reason", "publish_cancelled")])
                #expect(try await rig.target(target).state == .cancelled)
            }
        }
    }
}
