import Kit
import TestSupport
import Testing

@testable import Engine

@Suite("The limiter")
struct LimiterTests {
    static let about = About(id: "tiktok", name: "TikTok", version: "2", documentation: "https://developers.tiktok.com")
    private let clock = TestClock()

    private func quota(_ units: Int, per window: Quota.Window, _ name: String = "uploads") -> CountedQuota {
        CountedQuota(Quota(name, units, per: window, of: name, for: .connection), of: Self.about)
    }
    private func make() -> Limiter { Limiter(time: clock.source) }

    @Test("a call over the limit is held, with what allows it, until when, and how many go first")
    func held() throws {
        let limiter = make()
        let need = QuotaNeed(1, of: quota(6, per: .rolling(.minutes(1))), for: "conn_1")
        for _ in 0..<6 { limiter.settle(try limiter.take([need], as: Claimant("urgent", .urgent))) }

        let hold = #expect(throws: Hold.self) { _ = try limiter.take([need], as: Claimant("a", .urgent)) }
        let second = #expect(throws: Hold.self) { _ = try limiter.take([need], as: Claimant("b", .urgent)) }

        #expect(hold?.gate == .quota("tiktok/uploads"))
        #expect(
            hold?.reason == "TikTok takes 6 uploads a minute. This one starts at "
                + "\((clock.now + .minutes(1)).clockText).")
        #expect(second?.reason.hasSuffix("One goes before it.") == true)
    }

    @Test("several quotas are taken together or not at all")
    func together() throws {
        let limiter = make()
        let wide = QuotaNeed(1, of: quota(10, per: .rolling(.minutes(1)), "calls"), for: "app")
        let narrow = QuotaNeed(1, of: quota(1, per: .rolling(.minutes(1)), "inits"), for: "conn_1")
        _ = try limiter.take([wide, narrow], as: Claimant("a", .urgent))
        for _ in 0..<20 {
            #expect(throws: Hold.self) { _ = try limiter.take([wide, narrow], as: Claimant("a", .urgent)) }
        }

        for _ in 0..<9 { _ = try limiter.take([wide], as: Claimant("b", .urgent)) }
        #expect(throws: Hold.self) { _ = try limiter.take([wide], as: Claimant("b", .urgent)) }
    }

    @Test("who is more important goes first when units fall free; who waited long goes before what is new")
    func order() throws {
        let limiter = make()
        let need = QuotaNeed(1, of: quota(1, per: .rolling(.minutes(1))), for: "conn_1")
        func take(_ name: String, _ priority: Priority) -> Bool {
            (try? limiter.take([need], as: Claimant(name, priority))).map { limiter.settle($0) } != nil
        }
        #expect(take("first", .sync))
        #expect(!take("old sync", .sync))
        clock.advance(by: .seconds(59))
        #expect(!take("event", .event))

        clock.advance(by: .seconds(2))
        #expect(!take("old sync", .sync), "an event goes before a sync of the same minute")
        #expect(take("event", .event))

        clock.advance(by: .seconds(240))
        #expect(take("old sync", .sync))
    }

    @Test("whoever is held by one quota keeps its place at the others, for a minute at most")
    func places() throws {
        let limiter = make()
        let wide = QuotaNeed(1, of: quota(1, per: .rolling(.seconds(10)), "calls"), for: "app")
        let narrow = QuotaNeed(1, of: quota(1, per: .rolling(.seconds(30)), "inits"), for: "conn_1")
        func isHeld(_ needs: [QuotaNeed], _ name: String) -> Bool {
            do { limiter.settle(try limiter.take(needs, as: Claimant(name, .event))) } catch { return true }
            return false
        }
        #expect(!isHeld([wide], "x") && !isHeld([narrow], "y"))
        #expect(isHeld([wide, narrow], "a"), "it stands in line at the wide one")
        clock.advance(by: .seconds(11))
        #expect(isHeld([wide, narrow], "a"), "there is room at the wide one, none at the narrow one")
        #expect(isHeld([wide], "b"), "who came later does not go first")
        clock.advance(by: .seconds(20))
        #expect(!isHeld([wide, narrow], "a"))

        let daily = QuotaNeed(1, of: quota(1, per: .rolling(.days(1)), "shares"), for: "conn_1")
        clock.advance(by: .seconds(11))
        #expect(!isHeld([wide], "x") && !isHeld([daily], "y"))
        #expect(isHeld([wide, daily], "a"))
        clock.advance(by: .seconds(11))
        #expect(isHeld([wide, daily], "a"))
        clock.advance(by: .seconds(66))
        #expect(!isHeld([wide], "b"), "who waits for a day holds nobody up")
    }

    @Test("whoever does not come back gives up its place")
    func absent() throws {
        let limiter = make()
        let need = QuotaNeed(1, of: quota(1, per: .rolling(.seconds(10))), for: "conn_1")
        limiter.settle(try limiter.take([need], as: Claimant("a", .sync)))
        #expect(throws: Hold.self) { _ = try limiter.take([need], as: Claimant("gone", .event)) }

        clock.advance(by: .seconds(11))
        #expect(throws: Hold.self) { _ = try limiter.take([need], as: Claimant("b", .sync)) }
        clock.advance(by: .seconds(5))
        #expect(throws: Never.self) { _ = try limiter.take([need], as: Claimant("b", .sync)) }
    }

    @Test("a refusal for quota holds all of its key, for as long as the platform says")
    func refused() throws {
        let limiter = make()
        let need = QuotaNeed(1, of: quota(100, per: .rolling(.minutes(1))), for: "conn_1")
        let ticket = try limiter.take([need], as: Claimant("a", .urgent))
        limiter.settle(ticket)
        limiter.learn(from: Answer(status: 429, headers: [], body: []), refusedFor: .some(.seconds(7)), ticket)

        let hold = #expect(throws: Hold.self) { _ = try limiter.take([need], as: Claimant("a", .urgent)) }
        #expect(hold?.until == clock.now + .seconds(7))
        clock.advance(by: .seconds(7))
        #expect(throws: Never.self) { _ = try limiter.take([need], as: Claimant("a", .urgent)) }
    }

    @Test("keys that count nothing any more leave memory")
    func swept() throws {
        let limiter = make()
        let quota = quota(10, per: .rolling(.seconds(1)))
        for wave in 0..<6 {
            for number in 0..<30_000 {
                let need = QuotaNeed(1, of: quota, for: "c\(wave)_\(number)")
                limiter.settle(try limiter.take([need], as: Claimant("a", .sync)))
            }
            clock.advance(by: .seconds(5))
        }
        // A shard of the 64 that holds 1024 drops what counts nothing; of 180,000 only the last wave still might.
        #expect(limiter.keys <= 64 * 1024)
    }

    @Test("many tasks at once never take more than there is")
    func concurrent() async throws {
        let limiter = make()
        let need = QuotaNeed(1, of: quota(100, per: .rolling(.minutes(1))), for: "conn_1")
        let granted = await withTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask {
                    (0..<200).count { _ in
                        (try? limiter.take([need], as: Claimant("\(task)", .urgent))).map { limiter.settle($0) } != nil
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(granted == 100)
    }
}
