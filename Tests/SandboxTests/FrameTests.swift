import Foundation
import Kit
import Testing

@testable import Sandbox

@Suite("What every simulated platform has")
struct FrameTests {
    @Test("the same seed and the same calls give the same ids, another seed others")
    func determinism() async throws {
        let (first, second, other) = (try Rig(), try Rig(), try Rig(seed: 8))

        let ids = try await [first, second, other].asyncMap { try await $0.member()["id"]?.text }

        #expect(ids[0] != nil)
        #expect(ids[0] == ids[1])
        #expect(ids[0] != ids[2])
    }

    @Test("the story draws from a stream of its own: it changes no id of a call")
    func ownStream() async throws {
        let (calm, lively) = (try Rig(), try Rig())

        lively.keeper.turn { world in
            world.stream = "story"
            for _ in 0..<20 { lively.stripe.act(in: world) }
        }

        #expect(try await calm.post("/v1/customers")["id"] == lively.post("/v1/customers")["id"])
    }

    @Test("what a turn that throws has done is undone, ids and webhooks too")
    func rollback() throws {
        struct Stop: Error {}
        let rig = try Rig()
        let before = rig.keeper.turn { ($0.id("x_"), $0.count(of: "a")) }.1

        #expect(throws: Stop.self) {
            try rig.keeper.turn { world throws(Stop) in
                world.put("a", "1", ["n": 1])
                world.due("stripe renew 1", at: 5)
                world.count("a", of: "stripe")
                _ = world.id("x_")
                throw Stop()
            }
        }

        rig.keeper.turn { world in
            #expect(world.object("a", "1") == nil)
            #expect(world.count(of: "a") == before)
            #expect(world.schedule.times["stripe renew 1"] == nil)
            #expect(world.counters["stripe a"] == nil)
            #expect(world.draws["calls"] == 1)
        }
    }

    @Test("what a file holds is what was answered; a turn cut in half is not read")
    func journal() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("sandbox-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }  // A leftover harms nobody.
        let rig = try Rig(file: file)
        let member = try await rig.member()
        let events = rig.told()
        let next = try Rig(file: file).keeper.turn { $0.id("next_") }
        let handle = try #require(FileHandle(forWritingAtPath: file))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("P\tstripe.customer cus_half\t{\"id\":\"cus_half\"".utf8))
        try handle.close()

        let again = try Rig(file: file, seed: 99)

        #expect(try await again.get("/v1/subscriptions/\(member["id"]?.text ?? "")") == member)
        #expect(again.told() == events)
        #expect(try await again.send("GET", "/v1/customers/cus_half")?.status == 404)
        #expect(again.keeper.seed == Seed(value: 7))
        #expect(again.keeper.turn { $0.id("next_") } != next, "an id that was drawn is not drawn again")
    }

    @Test("a file of something else is refused with a sentence")
    func foreignFile() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("other-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }  // A leftover harms nobody.
        try Data("SQLite format 3".utf8).write(to: URL(fileURLWithPath: file))

        #expect(throws: SandboxFault.self) { try Rig(file: file) }
    }

    @Test("a reset of a full world takes less than 50 ms")
    func reset() async throws {
        let rig = try Rig()
        var took: [Duration] = []
        // Other tests use the same cores, so the quickest of a few counts.
        for _ in 0..<6 {
            rig.keeper.turn { world in
                world.stream = "story"
                for _ in 0..<60 { rig.stripe.act(in: world) }
            }
            took.append(
                ContinuousClock().measure {
                    rig.keeper.reset(seed: nil) { rig.stripe.furnish($0, Rig.furniture) }
                })
        }

        #expect(try #require(took.min()) < .milliseconds(50))
        #expect(rig.told().isEmpty)
    }

    @Test("due things come in the order of their times, whatever the order they were set in")
    func schedule() {
        var schedule = Schedule()
        for (key, time) in [("c", 30), ("a", 10), ("b", 20), ("a", 25), ("d", 5)] { schedule.set(key, at: Int64(time)) }
        schedule.set("d", at: nil)

        var order: [String] = []
        while let due = schedule.next(by: 100) {
            order.append(due.key)
            schedule.set(due.key, at: nil)
        }

        #expect(order == ["b", "a", "c"])
    }

    @Test(
        "months are added as calendars do",
        arguments: [
            ("2026-01-31", 1, 31, "2026-02-28"), ("2028-01-31", 1, 31, "2028-02-29"),
            ("2026-02-28", 1, 31, "2026-03-31"),
            ("2026-12-15", 1, 15, "2027-01-15"), ("2028-02-29", 12, 29, "2029-02-28"),
            ("1970-01-01", 0, 1, "1970-01-01"),
        ])
    func months(from: String, months: Int64, anchor: Int64, to: String) throws {
        let start = try #require(Timestamp(rfc3339: from + "T10:11:12Z"))
        let end = try #require(Timestamp(rfc3339: to + "T10:11:12Z"))

        #expect(CivilDate.adding(months: months, to: start.seconds, anchorDay: anchor) == end.seconds)
    }

    @Test(
        "a star in a pattern stands for any part",
        arguments: [
            ("/v1/payment_intents/pi_1/confirm", "/v1/payment_intents/*/confirm", true),
            ("/v1/payment_intents/pi_1", "/v1/payment_intents/*/confirm", false),
            ("/v1/customers", "/v1/customers", true), ("/v1/customers/c", "/v1/customers", false),
            ("invoice.paid", "*", true), ("invoice.paid", "invoice.*", true), ("charge.paid", "invoice.*", false),
            ("abab", "ab*ab", true), ("ab", "ab*ab", false),
        ])
    func patterns(text: String, pattern: String, isLike: Bool) { #expect(text.isLike(pattern) == isLike) }

    @Test(
        "forms with brackets become trees",
        arguments: [
            ("a=1&b=2", #"{"a":"1","b":"2"}"#),
            ("items[0][price]=p&items[1][price]=q", #"{"items":[{"price":"p"},{"price":"q"}]}"#),
            ("items%5B0%5D%5Bprice%5D=p%26q", #"{"items":[{"price":"p&q"}]}"#), ("a=x+y%20z", #"{"a":"x y z"}"#),
            ("list[]=1&list[]=2", #"{"list":["1","2"]}"#), ("a=", #"{"a":null}"#),
        ])
    func forms(text: String, json: String) throws {
        let parameters = StripeParameters("a b list[] items[]{price}")

        #expect(try parameters.read(Form.parse(Array(text.utf8))) == (try JSON.parse(json)))
    }
}

extension Array {
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
