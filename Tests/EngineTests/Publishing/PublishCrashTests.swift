import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// A process that publishes dies at each of its steps, one by one: before and after every commit, before a call leaves
/// and after the platform had it. Another goes on.
@Suite("A publication survives its process, whatever the platform has done")
struct PublishCrashTests {
    /// When a post that is public appears in the platform's list: nothing here goes by it.
    static let listings = ["at_once", "minute_late", "never"]

    /// The steps of a process that publishes a film and does not die.
    private func steps(_ rig: PublishRig, _ options: JSON, url: String? = nil) async throws -> Int {
        let mortal = Mortal(diesAt: nil)
        _ = try await rig.publish(options, url: url)
        try await rig.settle(try await rig.node(mortal))
        return mortal.steps
    }

    @Test(
        "a file in chunks is published once, wherever the process dies",
        arguments: TestEngine.all, PublishCrashTests.listings)
    func file(engine: TestEngine, listing: String) async throws {
        try await TestDatabase.with(engine) { database in
            let settings: JSON = ["listing": .string(listing)]
            var count = 0
            try await PublishRig.with(database, settings: settings) { rig in
                count = try await steps(rig, ["privacy_level": "PUBLIC_TO_EVERYONE"])
                #expect(rig.platform.effect("post.published") == 1)
            }
            // Two calls before the chunks, seven chunks, at least two looks, each with two sides; and the commits.
            #expect(count > 2 * 11 + 2 * 4)
            for step in 0..<count {
                try await PublishRig.with(database, settings: settings) { rig in
                    try await dies(at: step, rig, "step \(step) of \(count), listed \(listing)")
                }
            }
        }
    }

    private func dies(at step: Int, _ rig: PublishRig, _ place: Comment) async throws {
        let mortal = Mortal(diesAt: step)
        let target = try await rig.publish()
        let first = try await rig.node(mortal)
        // Some of its steps end in a wait, after which it is asked again.
        await #expect(throws: Mortal.Died.self, place) { try await rig.settle(first) }
        try await rig.die(first)
        try await rig.settle(try await rig.node())

        let row = try await rig.target(target)
        #expect(row.state == .published && row.postID != nil, place)
        #expect(rig.platform.effect("post.published") == 1 && rig.platform.effect("post.duplicate") == 0, place)
        // None but the one that was on its way.
        #expect(rig.platform.effect("chunk.received_again") <= 1, place)
        #expect(rig.platform.effect("chunk.received") == 7, place)
        #expect(try await rig.told(target).last == "publication.published", place)
        #expect(try await rig.openReviews(target) == 0, place)
        #expect(try await rig.leftOver(target) == 0, place)
    }

    @Test(
        "a file in chunks is published once, whichever answer gets lost",
        arguments: TestEngine.all, [true, false])
    func lostAnswers(engine: TestEngine, isApplied: Bool) async throws {
        try await TestDatabase.with(engine) { database in
            var count = 0
            try await PublishRig.with(database) { rig in
                _ = try await rig.publish()
                rig.platform.loseAnswer(to: -1, applied: false)
                try await rig.settle(try await rig.node())
                count = rig.platform.calls.count
            }
            #expect(count >= 11)
            for call in 0..<count {
                try await PublishRig.with(database) { rig in
                    let target = try await rig.publish()
                    rig.platform.loseAnswer(to: call, applied: isApplied)
                    try await rig.settle(try await rig.node())

                    let place: Comment = "call \(call), applied \(isApplied)"
                    #expect(try await rig.target(target).state == .published, place)
                    #expect(rig.platform.effect("post.published") == 1, place)
                    #expect(rig.platform.effect("post.duplicate") == 0, place)
                    #expect(try await rig.openReviews(target) == 0, place)
                }
            }
        }
    }

    @Test(
        "what the platform fetches by itself is begun once; where nobody heard it, a person decides",
        arguments: TestEngine.all)
    func pull(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let settings: JSON = [
                "verified_prefixes": ["https://cdn.example.com/"], "pull_origin": "http://127.0.0.1:9",
            ]
            let options: JSON = ["privacy_level": "PUBLIC_TO_EVERYONE"]
            let url = "https://cdn.example.com/rye.mp4"
            var (count, unknown) = (0, 0)
            try await PublishRig.with(database, settings: settings) { rig in
                count = try await steps(rig, options, url: url)
                #expect(rig.platform.effect("post.published") == 1)
            }
            for step in 0..<count {
                try await PublishRig.with(database, settings: settings) { rig in
                    let place: Comment = "step \(step) of \(count)"
                    let target = try await rig.publish(options, url: url)
                    let first = try await rig.node(Mortal(diesAt: step))
                    await #expect(throws: Mortal.Died.self, place) { try await rig.settle(first) }
                    try await rig.die(first)
                    let second = try await rig.node()
                    try await rig.settle(second)
                    rig.platform.finish()

                    let published = rig.platform.effect("post.published")
                    #expect(published <= 1, place)
                    if try await rig.target(target).state == .unknown {
                        unknown += 1
                        #expect(try await rig.openReviews(target) == 1, place)
                        // Whoever looks at the account sees whether it is there.
                        try await rig.decide(target, isThere: published == 1)
                        try await rig.settle(second)
                        rig.platform.finish()
                    }
                    #expect(try await rig.target(target).state == .published, place)
                    #expect(rig.platform.effect("post.published") == 1, place)
                    #expect(rig.platform.effect("post.duplicate") == 0, place)
                }
            }
            // Written down, and then: before it left, after it had arrived, before and after its answer was kept.
            #expect(unknown == 4)
        }
    }
}
