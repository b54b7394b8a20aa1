import Foundation
import Testing

@testable import Kit

/// A random number generator that a seed fixes (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// Random calls through a meter, each with a random way there and back; then what the platform saw.
struct Schedule {
    let limits: [Quota.Limit]
    var arrivals: [(at: Int64, units: Int)] = []
    var granted = 0
    var refused = 0
    /// Refusals whose stated time had passed when they were repeated, and that were refused again with none ahead.
    var early = 0

    init(_ limits: [Quota.Limit], calls: Int, seed: UInt64, skew: Int64 = 0) {
        self.limits = limits
        var random = Seeded(seed)
        let plan = MeterPlan(limits)
        var meter = Meter(plan)
        var now: Int64 = 1_764_000_000_000_000 + Int64.random(in: 0..<86_400_000_000, using: &random)
        var answers: [(at: Int64, units: Int)] = []
        let longest = limits.map(\.window.length.microseconds).max() ?? 1
        let pace = max(1, longest / Int64(max(1, limits.map(\.units).max() ?? 1)))
        for _ in 0..<calls {
            now += Int64.random(in: 0...pace, using: &random)
            if Int.random(in: 0..<20, using: &random) == 0 {
                now += Int64.random(in: 0...(longest + longest / 4), using: &random)
            }
            answers.sort { $0.at < $1.at }
            while let next = answers.first, next.at <= now {
                answers.removeFirst()
                meter.settle(next.units, by: plan, at: Moment(Timestamp(microseconds: next.at)))
            }
            let units = Int.random(in: 0..<4, using: &random) == 0 ? 2 : 1
            guard units <= limits.map(\.units).min() ?? 1 else { continue }
            let moment = Moment(Timestamp(microseconds: now))
            guard meter.take(units, for: .urgent, by: plan, at: moment) == .granted else {
                refused += 1
                continue
            }
            granted += 1
            let answered = now + Int64.random(in: 1...max(2, min(3_000_000, longest / 4)), using: &random)
            arrivals.append((Int64.random(in: now...answered, using: &random) + skew, units))
            answers.append((answered, units))
        }
        arrivals.sort { $0.at < $1.at }
    }

    /// The most units that any window of the platform held, over its limit; 0 where none was.
    var excess: Int {
        limits.map { limit in
            switch limit.window {
            case .rolling(let length):
                var (first, count, most) = (0, 0, 0)
                for arrival in arrivals {
                    count += arrival.units
                    while arrivals[first].at <= arrival.at - length.microseconds {
                        count -= arrivals[first].units
                        first += 1
                    }
                    most = max(most, count)
                }
                return max(0, most - limit.units)
            case .fixed, .day, .month:
                var counts: [Timestamp: Int] = [:]
                for arrival in arrivals {
                    counts[limit.window.border(after: Timestamp(microseconds: arrival.at)), default: 0] += arrival.units
                }
                return max(0, (counts.values.max() ?? 0) - limit.units)
            case .concurrent: return 0
            }
        }.max() ?? 0
    }
}

@Suite("A meter of quotas")
struct MeterTests {
    /// Of each shape; `make torture` runs a million in all.
    static let schedules = ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == nil ? 400 : 125_000
    static let shapes: [[Quota.Limit]] = [
        [.init(5, per: .rolling(.seconds(60)))],
        [.init(6, per: .rolling(.seconds(1))), .init(20, per: .rolling(.seconds(20)))],
        [.init(100, per: .rolling(.seconds(1)))],
        [.init(200, per: .rolling(.seconds(60))), .init(1000, per: .rolling(.minutes(15)))],
        [.init(10, per: .fixed(.seconds(60)))],
        [.init(70_000, per: .rolling(.seconds(60))), .init(40, per: .fixed(.seconds(10), offset: .seconds(3)))],
        [.init(50, per: .day(.utc)), .init(12, per: .rolling(.hours(1)))],
        [
            .init(3, per: .rolling(.seconds(1))), .init(31, per: .rolling(.seconds(30))),
            .init(60, per: .fixed(.minutes(5))), .init(100, per: .day(.pacific)),
        ],
        [.init(5, per: .rolling(.days(1)))],
    ]

    @Test("no schedule of calls ever brings a platform over its limit", arguments: shapes.indices)
    func exact(shape: Int) {
        var granted = 0
        for seed in 0..<Self.schedules {
            let schedule = Schedule(Self.shapes[shape], calls: 120, seed: UInt64(shape) << 32 | UInt64(seed))
            granted += schedule.granted
            if schedule.excess > 0 { Issue.record("seed \(seed): \(schedule.excess) above the limit") }
        }
        #expect(granted > Self.schedules * 20)
    }

    @Test("clocks that differ by less than the slack bring no window with borders over its limit")
    func skew() {
        for seed in 0..<300 {
            let limits = [Quota.Limit(10, per: .fixed(.seconds(60)))]
            let skew = seed % 2 == 0 ? Int64(1_900_000) : -1_900_000
            let schedule = Schedule(limits, calls: 150, seed: UInt64(seed), skew: skew)
            if schedule.excess > 0 { Issue.record("seed \(seed): \(schedule.excess) above the limit") }
        }
    }

    @Test("bytes that no meter wrote are refused or counted, and never end the process")
    func anyBytes() {
        var random = Seeded(7)
        for round in 0..<4000 {
            let plan = MeterPlan(Self.shapes[round % Self.shapes.count])
            var fresh = Meter(plan)
            let now = Moment(Timestamp(seconds: 1_795_255_200 + Int64(round)))
            _ = fresh.take(3, for: .event, by: plan, at: now)
            fresh.settle(3, by: plan, at: now)
            var bytes = fresh.bytes(by: plan)
            // Some bytes changed, or all.
            for _ in 0..<(round % 3 == 0 ? bytes.count * 2 : 1 + round % 5) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard var meter = Meter(bytes, by: plan) else { continue }
            let later = Moment(Timestamp(seconds: 1_795_255_260 + Int64(round)))
            _ = meter.levels(by: plan, at: later)
            _ = meter.take(1, for: .urgent, by: plan, at: later)
            meter.settle(1, by: plan, at: later)
            meter.fill(by: plan, at: later)
            _ = meter.levels(by: plan, at: later)
        }
        let plan = MeterPlan(Self.shapes[7])
        #expect(Meter([UInt8](repeating: 0xFF, count: plan.size * 4), by: plan) == nil)
        #expect(Meter([UInt8](repeating: 0, count: plan.size * 4 - 1), by: plan) == nil)
        #expect(Meter([UInt8](repeating: 0, count: plan.size * 4), by: plan) != nil)
    }

    @Test("a unit is free one window after its answer, and the time is said")
    func answered() {
        let plan = MeterPlan([.init(2, per: .rolling(.seconds(60)))])
        var meter = Meter(plan)
        func at(_ seconds: Int64) -> Moment { Moment(Timestamp(seconds: 1_000_000 + seconds)) }
        #expect(meter.take(2, for: .urgent, by: plan, at: at(0)) == .granted)
        meter.settle(2, by: plan, at: at(3))

        #expect(
            meter.take(1, for: .urgent, by: plan, at: at(60)) == .later(1_000_063_000_000, limit: 0),
            "the platform may have counted it at 3 s")
        #expect(meter.take(1, for: .urgent, by: plan, at: at(63)) == .granted)
    }

    @Test("ordinary work stays within the budget; what is urgent may use the rest")
    func budget() {
        let plan = MeterPlan([.init(10, per: .rolling(.seconds(60)))])
        var meter = Meter(plan)
        let moment = Moment(Timestamp(seconds: 1))
        for _ in 0..<8 { #expect(meter.take(1, for: .sync, by: plan, at: moment) == .granted) }
        #expect(meter.take(1, for: .sync, by: plan, at: moment) != .granted)
        #expect(meter.take(1, for: .person, by: plan, at: moment) == .granted)
        #expect(meter.take(1, for: .urgent, by: plan, at: moment) == .granted)
        #expect(meter.take(1, for: .urgent, by: plan, at: moment) != .granted)
    }

    @Test("who stands behind others is told when theirs and its own are free")
    func behind() {
        let plan = MeterPlan([.init(100, per: .rolling(.seconds(59)))])
        var meter = Meter(plan)
        let start = Moment(Timestamp(seconds: 590))
        #expect(meter.take(100, for: .urgent, by: plan, at: start) == .granted)
        meter.settle(100, by: plan, at: start)

        guard case .later(let first, _) = meter.take(1, for: .urgent, by: plan, at: start),
            case .later(let later, _) = meter.take(1, for: .urgent, behind: 100, by: plan, at: start)
        else { return #expect(Bool(false)) }
        #expect(first == 650_000_000, "the bucket's end and a window")
        #expect(later >= first + 58_000_000)
    }

    @Test("what others use of the same limit is learned, and a smaller limit too")
    func learned() {
        let plan = MeterPlan([.init(20, per: .rolling(.seconds(60)))])
        var meter = Meter(plan)
        let moment = Moment(Timestamp(seconds: 1))
        #expect(meter.take(1, for: .urgent, by: plan, at: moment) == .granted)
        meter.settle(1, by: plan, at: moment)

        meter.learn(.init(limit: 10, remaining: 3, resetsIn: nil), by: plan, at: moment)

        let level = meter.levels(by: plan, at: moment)[0]
        #expect(level.limit == 10 && level.used == 7 && level.isLearned)
        #expect(meter.take(3, for: .urgent, by: plan, at: moment) == .granted)
        #expect(meter.take(1, for: .urgent, by: plan, at: moment) != .granted)
    }

    @Test("what a platform says is left is not believed above our own count: calls may be under way")
    func notLowered() {
        let plan = MeterPlan([.init(4, per: .rolling(.seconds(60)))])
        var meter = Meter(plan)
        let moment = Moment(Timestamp(seconds: 1))
        #expect(meter.take(4, for: .urgent, by: plan, at: moment) == .granted)
        meter.learn(.init(remaining: 4), by: plan, at: moment)
        #expect(meter.take(1, for: .urgent, by: plan, at: moment) != .granted)
    }

    @Test("kept bytes count the same; those of other limits are not read")
    func kept() throws {
        let plan = MeterPlan(Self.shapes[7])
        var meter = Meter(plan)
        let moment = Moment(Timestamp(seconds: 1_700_000_000))
        #expect(meter.take(2, for: .urgent, by: plan, at: moment) == .granted)
        meter.settle(2, by: plan, at: moment)

        var read = try #require(Meter(meter.bytes(by: plan), by: plan))

        #expect(read.levels(by: plan, at: moment) == meter.levels(by: plan, at: moment))
        #expect(Meter(meter.bytes(by: plan), by: MeterPlan(Self.shapes[0])) == nil)
    }

    @Test("a key with four windows takes less than a kibibyte")
    func size() {
        for limit in [30, 1000, 1_000_000] {
            let windows: [Duration] = [.seconds(1), .minutes(1), .minutes(15), .days(1)]
            let plan = MeterPlan(windows.map { .init(limit, per: .rolling($0)) })
            // The words, the array's head, its place in the table and a key of 40 bytes.
            #expect(plan.size * 4 + 32 + 64 + 56 <= 1024, "\(limit): \(plan.size * 4)")
        }
    }

    @Test("a Pacific day begins at its midnight, in winter and in summer")
    func pacific() throws {
        func day(_ text: String) throws -> Timestamp {
            Zone.pacific.nextDay(after: try #require(Timestamp(rfc3339: text)))
        }
        #expect(try day("2026-11-28T12:00:00Z") == Timestamp(rfc3339: "2026-11-29T08:00:00Z"))
        #expect(try day("2026-07-01T06:59:59Z") == Timestamp(rfc3339: "2026-07-01T07:00:00Z"))
        #expect(try day("2026-03-08T09:00:00Z") == Timestamp(rfc3339: "2026-03-09T07:00:00Z"), "of 23 hours")
        #expect(try day("2026-11-01T08:00:00Z") == Timestamp(rfc3339: "2026-11-02T08:00:00Z"), "of 25 hours")
        let leap = try #require(Timestamp(rfc3339: "2028-02-29T23:00:00Z"))
        #expect(Zone.utc.nextMonth(after: leap) == Timestamp(rfc3339: "2028-03-01T00:00:00Z"))
    }
}
