public import Kit
import Synchronization

/// Never lets a call leave that its platform would refuse for quota.
///
/// The state is a meter and a line a key, in shards, each behind its own lock.
public final class Limiter: Sendable {
    private static let shardsCount = 64
    /// What a process sent before it was killed may arrive so long afterwards.
    static let afterlife = Duration.seconds(5)
    /// A shard with more keys looks for some that count nothing any more.
    private static let sweepAt = 1024

    struct Entry {
        let quota: CountedQuota
        var meter: Meter
        var line = QuotaLine()
        /// The keeper has none until the first; until the second they go by the line.
        var scarce: (from: Int64, to: Int64) = (0, 0)

        init(_ quota: CountedQuota, _ meter: Meter? = nil) {
            self.quota = quota
            self.meter = meter ?? Meter(quota.plan)
        }
    }
    struct State {
        var entries: [String: Entry] = [:]
        var sweepAt = Limiter.sweepAt
    }
    private final class Shard: Sendable { let state = Mutex(State()) }

    private let shards = (0..<shardsCount).map { _ in Shard() }
    private let time: TimeSource
    private let start: Moment
    /// Nil where nothing was sent before this process began, as far as is known.
    private let lastAlive: Timestamp?

    /// - Parameter lastAlive: when another process last spent from the same limits. What it spent in windows that are
    ///   not kept nobody knows: they start full, and one window passes before they are used.
    public init(time: TimeSource, lastAlive: Timestamp? = nil) {
        self.time = time
        self.lastAlive = lastAlive
        let now = time.now()
        start = Moment(steady: now.microseconds - time.uptime().microseconds, wall: now)
    }

    /// Units that were taken: settled when the call was answered or given up, given back when it was not sent.
    public struct Ticket: Sendable {
        public fileprivate(set) var needs: [QuotaNeed]
    }

    /// Takes all that is needed, or nothing. Whoever gets nothing keeps its place in every line.
    ///
    /// - Parameter staysInLine: more than this decides whether the units stand; `leave` says when they do.
    public func take(
        _ needs: [QuotaNeed], as claimant: Claimant, staysInLine: Bool = false
    ) throws(Hold) -> Ticket {
        let moment = moment()
        for (index, need) in needs.enumerated() {
            let held = withEntry(need) { $0.take(need, as: claimant, at: moment, now: time.now) }
            guard let held else { continue }
            for taken in needs[..<index] { withEntry(taken) { $0.meter.giveBack(taken.units, by: $0.quota.plan) } }
            stay(in: needs, claimant, until: held.until)
            throw held
        }
        let ticket = Ticket(needs: needs)
        if !staysInLine { leave(ticket, claimant) }
        return ticket
    }

    /// The whole ticket stands: its claimant waits nowhere any more.
    func leave(_ ticket: Ticket, _ claimant: Claimant) {
        for need in ticket.needs { withEntry(need) { $0.line.leave(claimant) } }
    }

    /// One of several quotas sends a claimant away until then: it keeps the places that it has at the others.
    func stay(in needs: [QuotaNeed], _ claimant: Claimant, until: Timestamp) {
        let now = moment().steady
        let steady = now + (until - time.now()).microseconds
        for need in needs { withEntry(need) { $0.line.stay(claimant, until: steady, at: now) } }
    }

    /// The call was answered, or nobody listens for its answer any more.
    public func settle(_ ticket: Ticket) {
        let moment = moment()
        for need in ticket.needs { withEntry(need) { $0.meter.settle(need.units, by: $0.quota.plan, at: moment) } }
    }

    /// The call was not sent.
    public func giveBack(_ ticket: Ticket) {
        for need in ticket.needs { withEntry(need) { $0.meter.giveBack(need.units, by: $0.quota.plan) } }
    }

    /// Takes what an answer says of the quotas that its call spent, and what a refusal for quota means.
    ///
    /// - Parameter name: the quota that the refusal is for, where it says which.
    public func learn(
        from answer: Answer, refusedFor wait: Duration?? = nil, of name: String? = nil, _ ticket: Ticket
    ) {
        let moment = moment()
        let refused = Set(ticket.needs.refused(for: name).map(\.key))
        for need in ticket.needs {
            let reading = need.quota.quota.learn(answer)
            withEntry(need) { entry in
                if let reading { entry.meter.learn(reading, by: entry.quota.plan, at: moment) }
                guard let wait, refused.contains(need.key) else { return }
                // The platform counts more than we do. Without a time from it, the shortest window passes.
                let pause = wait ?? entry.shortestWindow
                entry.meter.block(until: moment.steady + pause.microseconds, by: entry.quota.plan)
            }
        }
    }

    /// Somebody else, who counts for all, holds this key until then. Who waits keeps its place.
    func hold(_ need: QuotaNeed, _ claimant: Claimant, for wait: Duration, limit: Int) -> Hold {
        let moment = moment()
        return withEntry(need) { entry in
            let until = moment.steady + max(1, wait.microseconds)
            entry.scarce = (until, until + QuotaLine.patience)
            return entry.hold(need, claimant, until: until, limit: limit, ahead: 0, at: moment, now: self.time.now())
        }
    }

    /// How every key stands that counts something, by its key.
    public func levels() -> [(key: String, quota: CountedQuota, levels: [QuotaLevel], waiting: [Priority: Int])] {
        let moment = moment()
        var all: [(key: String, quota: CountedQuota, levels: [QuotaLevel], waiting: [Priority: Int])] = []
        for shard in shards {
            shard.state.withLock { state in
                for key in state.entries.keys {
                    guard var entry = state.entries[key] else { continue }
                    let levels = entry.levels(at: moment, now: self.time.now())
                    all.append((key, entry.quota, levels, entry.waiting(at: moment.steady)))
                }
            }
        }
        return all.sorted { $0.key < $1.key }
    }

    /// Keys in memory.
    public var keys: Int { shards.reduce(0) { $0 + $1.state.withLock { $0.entries.count } } }

    private func withEntry<Value>(_ need: QuotaNeed, _ body: (inout Entry) -> Value) -> Value {
        let shard = shards[Int(UInt(bitPattern: need.key.hashValue) % UInt(Self.shardsCount))]
        return shard.state.withLock { state in
            if state.entries.count >= state.sweepAt { sweep(&state) }
            return body(&state.entries[need.key, default: entry(for: need.quota)])
        }
    }

    private func entry(for quota: CountedQuota) -> Entry {
        var entry = Entry(quota)
        guard let lastAlive, !quota.isLong else { return entry }
        let (now, longest) = (moment(), quota.longest)
        guard now.steady - start.wall.microseconds < longest.microseconds, lastAlive + longest > start.wall else {
            return entry
        }
        // The steady clock showed the wall's time at the start.
        entry.meter.fill(by: quota.plan, at: Moment(start.wall + Self.afterlife))
        return entry
    }

    private func sweep(_ state: inout State) {
        let moment = moment()
        state.entries = state.entries.filter { entry in
            var entry = entry.value
            return !entry.isIdle(at: moment)
        }
        state.sweepAt = max(Self.sweepAt, state.entries.count * 2)
    }

    /// The steady clock starts at the wall's time and never jumps.
    func moment() -> Moment { Moment(steady: start.steady + time.uptime().microseconds, wall: time.now()) }
}

/// How one limit of one key stands.
public struct QuotaLevel: Sendable, Equatable {
    public let limit: Int
    /// What ordinary work may bring it to, and what all may.
    public let budget: Int
    public let share: Int
    public let used: Int
    public let inFlight: Int
    public let window: Quota.Window
    public let nextFree: Timestamp?
    public let allFree: Timestamp?
    public let blockedUntil: Timestamp?
    public let isLearned: Bool
}

extension Limiter.Entry {
    /// Nil when the units were taken.
    mutating func take(
        _ need: QuotaNeed, as claimant: Claimant, at moment: Moment, now: () -> Timestamp
    ) -> Hold? {
        let ahead = line.places.isEmpty ? 0 : line.ahead(of: claimant, at: moment.steady)
        if moment.steady < scarce.to && claimant.priority > .person {
            // What is urgent or awaited may use the reserve, and asks the keeper itself.
            let until = moment.steady < scarce.from ? scarce.from : moment.steady + 250_000
            if moment.steady < scarce.from || ahead > 0 {
                return hold(need, claimant, until: until, limit: 0, ahead: ahead, at: moment, now: now())
            }
        }
        switch meter.take(need.units, for: claimant.priority, behind: ahead, by: quota.plan, at: moment) {
        case .granted: return nil
        case .later(let until, let limit):
            return hold(need, claimant, until: until, limit: limit, ahead: ahead, at: moment, now: now())
        }
    }

    /// Puts a claimant in line, and says until when.
    mutating func hold(
        _ need: QuotaNeed, _ claimant: Claimant, until: Int64, limit: Int, ahead: Int, at moment: Moment,
        now: Timestamp
    ) -> Hold {
        line.wait(claimant, units: need.units, until: until, at: moment.steady)
        let time = now + .microseconds(until - moment.steady)
        let place =
            switch ahead {
            case 0: ""
            case 1: " One goes before it."
            case ...QuotaLine.placesMax: " \(ahead) go before it."
            default: " More than \(QuotaLine.placesMax) go before it."
            }
        return Hold(
            until: time, gate: .quota(quota.id),
            reason: "\(quota.sentence(limit)) This one starts at \(time.clockText).\(place)")
    }

    var shortestWindow: Duration { quota.quota.limits.map(\.window.length).min() ?? .seconds(1) }

    mutating func levels(at moment: Moment, now: Timestamp) -> [QuotaLevel] {
        func wall(_ steady: Int64?) -> Timestamp? { steady.map { now + .microseconds($0 - moment.steady) } }
        return zip(meter.levels(by: quota.plan, at: moment), quota.quota.limits).map { level, limit in
            QuotaLevel(
                limit: level.limit, budget: quota.plan.ceiling(of: level.limit, for: .sync),
                share: quota.plan.ceiling(of: level.limit, for: .urgent), used: level.used, inFlight: level.inFlight,
                window: limit.window, nextFree: wall(level.nextFree), allFree: wall(level.allFree),
                blockedUntil: wall(level.blockedUntil), isLearned: level.isLearned)
        }
    }

    func read(at moment: Moment, now: Timestamp) -> [QuotaLevel] {
        var copy = self
        return copy.levels(at: moment, now: now)
    }

    mutating func waiting(at now: Int64) -> [Priority: Int] {
        line.places.filter { $0.until + QuotaLine.patience >= now }.reduce(into: [:]) {
            $0[$1.claimant.priority, default: 0] += 1
        }
    }

    mutating func isIdle(at moment: Moment) -> Bool {
        line.places.isEmpty
            && meter.levels(by: quota.plan, at: moment).allSatisfy { $0.used == 0 && $0.blockedUntil == nil }
    }
}

extension Timestamp {
    /// `2026-11-28T10:16:00Z`: in whole seconds for a person, rounded up, so that nobody comes too early.
    var clockText: String { Timestamp(seconds: (self + .microseconds(999_999)).seconds).rfc3339.prefix(19) + "Z" }
}
