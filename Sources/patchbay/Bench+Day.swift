import ArgumentParser
import Engine
import Kit
import Server
import Synchronization

/// A day at a platform that counts by its own rule, at arrival, with answers that take from 20 ms to 3 s and come out
/// of order. The limiter is the very one that calls pass; only its clock is ours.
struct BenchDay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "day", abstract: "Simulates a day of accounts at their limits; prints refusals and use.")

    @Option(help: "Accounts, each with 6 calls a minute and 60 in a quarter of an hour.")
    var accounts = 1000
    @Option(help: "How long.")
    var hours = 24
    @Option(help: "The same number, the same day.")
    var seed: UInt64 = 7

    func run() async throws {
        var day = SimulatedDay(hours: Int64(hours), seed: seed)
        let began = ContinuousClock.now
        for account in 0..<accounts { try day.run(account) }
        let took = ContinuousClock.now - began
        // What the limits let through, with ordinary work held to its part of them.
        let budget = Double(day.plan.ceiling(of: SimulatedDay.quarter.units, for: .sync))
        let use = Double(day.sent) / (budget * Double(hours) * 4 * Double(accounts))
        say(
            ([
                "sent": JSON(day.sent), "refused": JSON(day.refused), "use_permille": JSON(Int(use * 1000)),
                "per_second": JSON(Int(Double(day.sent) / took.inSeconds)),
            ] as JSON).outputLine)
    }
}

private struct SimulatedDay {
    static let minute = Quota.Limit(6, per: .rolling(.minutes(1)))
    static let quarter = Quota.Limit(60, per: .rolling(.minutes(15)))
    private static let start = Timestamp(microseconds: 1_764_000_000_000_000)

    let plan = MeterPlan([minute, quarter])
    private(set) var (sent, refused) = (0, 0)
    private let end: Timestamp
    private var chance: SeededGenerator
    private let quota: CountedQuota

    init(hours: Int64, seed: UInt64) {
        end = Self.start + .hours(hours)
        chance = SeededGenerator(state: seed)
        let about = About(id: "bench", name: "Bench", version: "1", documentation: "https://example.com")
        quota = CountedQuota(Quota("calls", [Self.minute, Self.quarter], for: .connection), of: about)
    }

    /// The accounts share nothing: each has its day.
    mutating func run(_ account: Int) throws {
        let clock = Mutex(Self.start)
        let now: @Sendable () -> Timestamp = { clock.withLock { $0 } }
        let limiter = Limiter(
            time: TimeSource(now: now, uptime: { now() - Self.start }, sleep: { _ in }))
        let need = [QuotaNeed(1, of: quota, for: "conn_\(account)")]
        let claimant = Claimant("conn_\(account)", .sync)
        var flights: [(answered: Timestamp, ticket: Limiter.Ticket)] = []
        var arrivals: [Timestamp] = []
        while now() < end {
            while let flight = flights.first, flight.answered <= now() {
                flights.removeFirst()
                limiter.settle(flight.ticket)
            }
            do throws(Hold) {
                let ticket = try limiter.take(need, as: claimant)
                let took = Int64.random(in: 20_000...3_000_000, using: &chance)
                let flight = (answered: now() + .microseconds(took), ticket: ticket)
                flights.insert(flight, at: flights.firstIndex { $0.answered > flight.answered } ?? flights.count)
                arrivals.append(now() + .microseconds(Int64.random(in: 0...took, using: &chance)))
                sent += 1
            } catch {
                let next = min(error.until, flights.first?.answered ?? error.until)
                let moment = max(next, now() + .microseconds(1))
                clock.withLock { $0 = moment }
            }
        }
        refused += Self.refusals(of: arrivals.sorted(), by: [Self.minute, Self.quarter])
    }

    /// By the platform's own count: calls that arrive while a window before them is full.
    private static func refusals(of arrivals: [Timestamp], by limits: [Quota.Limit]) -> Int {
        limits.reduce(0) { sum, limit in
            var first = 0
            return arrivals.enumerated().reduce(sum) { sum, arrival in
                while arrivals[first] <= arrival.element - limit.window.length { first += 1 }
                return arrival.offset - first + 1 > limit.units ? sum + 1 : sum
            }
        }
    }
}
