import Foundation
import Kit
import Testing

@testable import Engine

/// A day at a platform that counts by its own rule, at arrival, with answers that take from 20 ms to 3 s and come out
/// of order, while the server is killed again and again. Two windows a call.
struct SimulatedDay {
    let accounts: Int
    let hours: Int64
    let restarts: Int
    let minute = Quota.Limit(6, per: .rolling(.minutes(1)))
    let quarter = Quota.Limit(60, per: .rolling(.minutes(15)))

    private(set) var refused = 0
    private(set) var sent = 0

    private struct Flight { let answered: Int64 }
    /// What the platform has counted: arrivals of one account, oldest first.
    private struct Seen {
        var arrivals: [Int64] = []
        var first = 0
    }

    init(accounts: Int, hours: Int64, restarts: Int) {
        self.accounts = accounts
        self.hours = hours
        self.restarts = restarts
    }

    /// Of what the limits would let through in the time, with ordinary work held to the budget.
    var use: Double {
        let budget = Double(MeterPlan([quarter]).ceiling(of: quarter.units, for: .sync))
        return Double(sent) / (budget * Double(hours) * 4 * Double(accounts))
    }

    mutating func run(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let plan = MeterPlan([minute, quarter])
        let start: Int64 = 1_764_000_000_000_000
        let end = start + hours * 3_600_000_000
        var meters = [Meter](repeating: Meter(plan), count: accounts)
        var seen = [Seen](repeating: Seen(), count: accounts)
        var next = (0..<accounts).map { start + Int64($0) }
        var flights: [[Flight]] = Array(repeating: [], count: accounts)
        let kills = (1...max(1, restarts)).map { start + (end - start) / Int64(restarts + 1) * Int64($0) }

        for account in 0..<accounts {
            var remainingKills = kills
            while next[account] < end {
                let now = next[account]
                if let kill = remainingKills.first, kill <= now {
                    remainingKills.removeFirst()
                    // The long window is kept; what was under way counts until its slice ends; the short one is full.
                    meters[account].learn(
                        .init(index: 0, remaining: 0), by: plan,
                        at: Moment(Timestamp(microseconds: kill) + Limiter.afterlife))
                    let sliceEnds = kill + Quotas.term.microseconds
                    flights[account] = flights[account].map { flight in
                        flight.answered > kill ? Flight(answered: sliceEnds) : flight
                    }
                    continue
                }
                flights[account].sort { $0.answered < $1.answered }
                while let flight = flights[account].first, flight.answered <= now {
                    flights[account].removeFirst()
                    meters[account].settle(1, by: plan, at: Moment(Timestamp(microseconds: flight.answered)))
                }
                switch meters[account].take(1, for: .sync, by: plan, at: Moment(Timestamp(microseconds: now))) {
                case .granted:
                    let answered = now + Int64.random(in: 20_000...3_000_000, using: &random)
                    let arrives = Int64.random(in: now...answered, using: &random)
                    flights[account].append(Flight(answered: answered))
                    arrive(arrives, &seen[account])
                    sent += 1
                case .later(let until, _):
                    let answer = flights[account].first?.answered ?? .max
                    next[account] = max(now + 1, min(until, answer))
                }
            }
        }
    }

    /// The platform's own rule: it refuses what would be one too many in either window, counted at arrival.
    private mutating func arrive(_ at: Int64, _ seen: inout Seen) {
        let index = seen.arrivals.lastIndex { $0 <= at }.map { $0 + 1 } ?? 0
        seen.arrivals.insert(at, at: index)
        for limit in [minute, quarter] {
            // Each window that holds this arrival ends at it or at a later one.
            for last in index..<seen.arrivals.count {
                let edge = seen.arrivals[last] - limit.window.length.microseconds
                guard edge < at else { break }
                let count = seen.arrivals[...last].reversed().prefix { $0 > edge }.count
                if count > limit.units { refused += 1 }
            }
        }
        if seen.arrivals.count > 400 { seen.arrivals.removeFirst(200) }
    }
}

@Suite("A simulated day at the limits")
struct SimulatedDayTests {
    /// `make torture` runs the whole.
    private static let accounts = ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == nil ? 12 : 1000

    @Test("20 restarts, answers out of order: nothing is refused, and 93 % of the budget are used")
    func day() {
        var day = SimulatedDay(accounts: Self.accounts, hours: 24, restarts: 20)
        day.run(seed: 7)
        #expect(day.refused == 0)
        #expect(day.use >= 0.93, "used \(day.use)")
    }
}
