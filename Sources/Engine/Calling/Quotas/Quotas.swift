public import Kit
public import Logging
import Store
import Synchronization

/// Every way out asks here first: this node's limiter, and behind it the keeper of what must not be forgotten.
public final class Quotas: Sendable {
    /// A slice ends so long after it was handed out; its node spends it in half of that.
    static let term = Duration.seconds(120)

    public let book: QuotaBook
    private let limiter: Limiter
    private let keeper: (any QuotaKeeper)?
    /// Whether short windows too are counted for all nodes.
    private let isShared: Bool
    private let node: @Sendable () -> String
    private let time: TimeSource
    private let logger: Logger
    /// Units that the keeper gave beyond what was needed, and until when they may be spent here.
    private struct Spare {
        var units: Int
        var until: Duration
        let plan: MeterPlan
    }
    /// What was given out of the reserve is not for ordinary work.
    private struct SpareKey: Hashable {
        let key: String
        let isReserve: Bool
    }
    private let spare = Mutex<[SpareKey: Spare]>([:])
    private let accounts: Mutex<[SliceAccount]> = Mutex([])

    /// - Parameters:
    ///   - keeper: nil where nothing is to be remembered: tests.
    ///   - isShared: whether other nodes spend from the same limits.
    public init(
        book: QuotaBook, limiter: Limiter, keeper: (any QuotaKeeper)?, isShared: Bool,
        node: @escaping @Sendable () -> String, time: TimeSource, logger: Logger
    ) {
        self.book = book
        self.limiter = limiter
        self.keeper = keeper
        self.isShared = isShared
        self.node = node
        self.time = time
        self.logger = logger
    }

    /// Units that were taken for one call.
    public struct Ticket: Sendable {
        fileprivate let local: Limiter.Ticket
        fileprivate let kept: [QuotaNeed]
        /// They may be out of the reserve.
        fileprivate let isReserve: Bool
    }

    /// What a call needs, by whom each quota counts it. A name that is not declared counts nothing.
    public func needs(
        _ spendings: [Spending], of provider: String, _ path: Path, _ context: CallContext
    ) -> [QuotaNeed] {
        spendings.compactMap { spending in
            guard let quota = book.quota(spending.quota, of: provider) else { return nil }
            return QuotaNeed(spending.units, of: quota, for: context.subject(of: quota.quota, path: path))
        }
    }

    /// Takes all that is needed, or nothing. Waits in place for no longer than `patience`.
    public func take(
        _ needs: [QuotaNeed], as claimant: Claimant, patience: Duration = .zero
    ) async throws(Hold) -> Ticket {
        let began = time.uptime()
        while true {
            do { return try await takeNow(needs, as: claimant) } catch {
                let wait = error.until - time.now()
                guard time.uptime() - began + wait <= patience else { throw error }
                guard await slept(max(.milliseconds(1), wait)) else { throw error }
            }
        }
    }

    /// False when the task was cancelled.
    private func slept(_ duration: Duration) async -> Bool {
        do { try await time.sleep(duration) } catch { return false }
        return true
    }

    private func takeNow(_ needs: [QuotaNeed], as claimant: Claimant) async throws(Hold) -> Ticket {
        let local = try limiter.take(needs, as: claimant, staysInLine: true)
        let isReserve = claimant.priority.usesReserve
        var kept: [QuotaNeed] = []
        for need in needs where isKept(need.quota) {
            do {
                try await draw(need, as: claimant)
                kept.append(need)
            } catch {
                limiter.giveBack(local)
                limiter.stay(in: needs, claimant, until: error.until)
                // What was drawn for it stays here as a spare part.
                for need in kept { putAside(need.units, of: need, isReserve) }
                throw error
            }
        }
        limiter.leave(local, claimant)
        return Ticket(local: local, kept: kept, isReserve: isReserve)
    }

    private func isKept(_ quota: CountedQuota) -> Bool { keeper != nil && (isShared || quota.isLong) }

    /// Takes units from what is aside, or from the keeper.
    private func draw(_ need: QuotaNeed, as claimant: Claimant) async throws(Hold) {
        guard let keeper else { return }
        let asked = time.uptime()
        let isReserve = claimant.priority.usesReserve
        guard !isAside(need, isReserve, at: asked) else { return }
        await flush()
        // A few more than needed where there are many, so that not every call asks.
        let smallest = need.quota.quota.limits.map(\.units).min() ?? 1
        let wish = SliceWish(
            key: need.key, quota: need.quota.id, subject: need.subject, plan: need.quota.plan, least: need.units,
            most: need.units + min(20, smallest / 100), priority: claimant.priority, node: node(), term: Self.term)
        let slice: Slice
        do { slice = try await keeper.slice(wish) } catch {
            logger.warning("quota.keeper_away", metadata: ["quota": "\(need.quota.id)", "problem": "\(error)"])
            throw Hold(
                until: time.now() + .seconds(2), gate: .quota(need.quota.id),
                reason: "What is used of \(need.quota.providerName)'s limit is not known while the database is away.")
        }
        switch slice {
        case .granted(let units):
            if units > need.units { putAside(units - need.units, of: need, isReserve, until: asked + Self.term / 2) }
        case .later(let wait, let limit): throw limiter.hold(need, claimant, for: wait, limit: limit)
        }
    }

    /// Takes units that lie aside. Whoever may use the reserve may use what was given to others too.
    private func isAside(_ need: QuotaNeed, _ isReserve: Bool, at asked: Duration) -> Bool {
        spare.withLock { spare in
            for isOfReserve in isReserve ? [false, true] : [false] {
                let key = SpareKey(key: need.key, isReserve: isOfReserve)
                guard let entry = spare[key], entry.units >= need.units, entry.until > asked else { continue }
                spare[key]?.units -= need.units
                return true
            }
            return false
        }
    }

    private func putAside(_ units: Int, of need: QuotaNeed, _ isReserve: Bool, until: Duration? = nil) {
        let key = SpareKey(key: need.key, isReserve: isReserve)
        spare.withLock { spare in
            let old = spare[key]
            let end = until ?? old?.until ?? time.uptime() + .seconds(10)
            spare[key] = Spare(
                units: (old?.units ?? 0) + units, until: min(end, old?.until ?? end), plan: need.quota.plan)
        }
    }

    /// The call was answered, or nobody listens any more.
    ///
    /// - Parameter name: the quota that a refusal is for, where it says which.
    func settle(_ ticket: Ticket, learning answer: Answer?, refusedFor wait: Duration??, of name: String? = nil) {
        limiter.settle(ticket.local)
        if let answer { limiter.learn(from: answer, refusedFor: wait, of: name, ticket.local) }
        guard let keeper, !ticket.kept.isEmpty else { return }
        note(ticket.kept.map { ($0, $0.units, 0) })
        let readings = ticket.kept.map { ($0, answer.flatMap($0.quota.quota.learn)) }
        let refused = wait == nil ? [] : Set(ticket.kept.refused(for: name).map(\.key))
        Task {
            await flush()
            for (need, reading) in readings where reading != nil || refused.contains(need.key) {
                let pause =
                    !refused.contains(need.key)
                    ? nil : wait.map { $0 ?? need.quota.quota.limits.map(\.window.length).min() ?? .seconds(1) }
                do {
                    try await keeper.learn(reading, blockedFor: pause, key: need.key, by: need.quota.plan)
                } catch { logger.warning("quota.not_learned", metadata: ["problem": "\(error)"]) }
            }
        }
    }

    /// The call was not sent.
    func giveBack(_ ticket: Ticket) {
        limiter.giveBack(ticket.local)
        for need in ticket.kept { putAside(need.units, of: need, ticket.isReserve) }
    }

    private func note(_ spent: [(need: QuotaNeed, spent: Int, unused: Int)]) {
        let node = node()
        accounts.withLock { accounts in
            for entry in spent {
                accounts.append(
                    SliceAccount(
                        key: entry.need.key, plan: entry.need.quota.plan, node: node, spent: entry.spent, age: .zero,
                        unused: entry.unused))
            }
        }
    }

    /// Tells the keeper what was spent, and what lay aside for too long. What it cannot be told counts as used when
    /// the slice ends.
    ///
    /// - Parameter all: at the end of the process: nothing stays aside.
    public func flush(all: Bool = false) async {
        guard let keeper else { return }
        giveUpSpares(all: all)
        let waiting = accounts.withLock { accounts in
            let waiting = accounts
            accounts = []
            return waiting
        }
        guard !waiting.isEmpty else { return }
        do { try await keeper.account(waiting) } catch {
            logger.warning("quota.not_accounted", metadata: ["problem": "\(error)"])
        }
    }

    private func giveUpSpares(all: Bool) {
        let now = time.uptime()
        let gone = spare.withLock { spare in
            let gone = spare.filter { all || $0.value.until <= now }
            for key in gone.keys { spare[key] = nil }
            return gone
        }
        let node = node()
        accounts.withLock { accounts in
            for (key, entry) in gone where entry.units > 0 {
                accounts.append(
                    SliceAccount(
                        key: key.key, plan: entry.plan, node: node, spent: 0, age: .zero, unused: entry.units))
            }
        }
    }

    /// How the keys stand, those in memory and those that are kept.
    public func standing(_ limit: Int = 1000) async throws -> [QuotaStanding] {
        let now = time.now()
        var standing: [String: QuotaStanding] = [:]
        for level in limiter.levels() {
            standing[level.key] = QuotaStanding(
                quota: level.quota, subject: String(level.key.dropFirst(level.quota.id.count + 1)),
                levels: level.levels, waiting: level.waiting)
        }
        for kept in try await keeper?.levels(limit) ?? [] {
            guard let quota = book.all.first(where: { $0.id == kept.quota }),
                var meter = Meter(kept.state, by: quota.plan)
            else { continue }
            for slice in kept.abandoned { meter.settle(slice.units, by: quota.plan, at: Moment(slice.endedAt)) }
            meter.assume(inFlight: kept.held, by: quota.plan)
            standing[kept.key] = QuotaStanding(
                quota: quota, subject: kept.subject,
                levels: Limiter.Entry(quota, meter).read(at: Moment(now), now: now),
                waiting: standing[kept.key]?.waiting ?? [:])
        }
        // Of what nobody knows the size of, only that it is used up is worth a word.
        let shown = standing.values.filter { standing in
            !standing.quota.quota.isUntold || standing.levels.contains { $0.blockedUntil != nil }
        }
        return shown.sorted { ($0.quota.id, $0.subject) < ($1.quota.id, $1.subject) }
    }
}

/// How a quota stands for whoever it counts by.
public struct QuotaStanding: Sendable {
    public let quota: CountedQuota
    public let subject: String
    public let levels: [QuotaLevel]
    /// Who waits, by class.
    public let waiting: [Priority: Int]
}

extension Priority {
    /// Urgent work and waiting persons may use what ordinary work leaves of a limit.
    var usesReserve: Bool { self <= .person }
}
