/// How much of a quota one key has used: exact, and where it must round, against us.
///
/// A platform counts a call when it arrives, some time between our sending and its answer. So a unit counts from the
/// moment it is taken, and is free one window after its answer: whatever the network did, the platform's own count is
/// never above this one. At most 1 KiB with four windows.
public struct Meter: Sendable, Equatable {
    /// Laid out as `MeterPlan` says.
    var words: [UInt32]

    public init(_ plan: MeterPlan) { words = [UInt32](repeating: 0, count: plan.size) }

    /// What became of a wish for units.
    public enum Verdict: Sendable, Equatable {
        case granted
        /// Not before this moment of the steady clock, for this limit of the quota. An estimate from below: a unit that
        /// is under way now is taken to be answered at once.
        case later(Int64, limit: Int)
    }

    /// Takes units of every limit, or of none.
    ///
    /// - Parameter ahead: units that others wait for who go first.
    public mutating func take(
        _ units: Int, for priority: Priority, behind ahead: Int = 0, by plan: MeterPlan, at moment: Moment
    ) -> Verdict {
        var verdict = Verdict.granted
        for (index, segment) in plan.segments.enumerated() {
            guard let free = freeTime(units, priority, ahead, segment, plan, moment) else { continue }
            if case .later(let time, _) = verdict, time >= free { continue }
            verdict = .later(free, limit: index)
        }
        guard verdict == .granted else { return verdict }
        for segment in plan.segments { self[.inFlight, segment] += units }
        return .granted
    }

    /// The call of these units was answered, or given up: they are counted from now on.
    public mutating func settle(_ units: Int, by plan: MeterPlan, at moment: Moment) {
        for segment in plan.segments {
            self[.inFlight, segment] = max(0, self[.inFlight, segment] - units)
            add(units, to: segment, at: moment)
        }
    }

    /// The call of these units was not sent.
    public mutating func giveBack(_ units: Int, by plan: MeterPlan) {
        for segment in plan.segments { self[.inFlight, segment] = max(0, self[.inFlight, segment] - units) }
    }

    /// Takes what an answer says. What others have used counts; a count that is lower than ours is not believed, since
    /// calls that are under way may not have arrived.
    public mutating func learn(_ reading: Quota.Reading, by plan: MeterPlan, at moment: Moment) {
        guard plan.segments.indices.contains(reading.index), reading.remaining >= 0 else { return }
        let segment = plan.segments[reading.index]
        guard segment.form != .concurrent else { return }
        if let limit = reading.limit, (1...Quota.Limit.unitsMax).contains(limit) { self[.learned, segment] = limit }
        roll(segment, at: moment)
        let limit = limit(of: segment)
        let unseen = limit - min(limit, reading.remaining) - self[.settled, segment] - self[.inFlight, segment]
        if unseen > 0 { add(unseen, to: segment, at: moment) }
        guard reading.remaining == 0, let wait = reading.resetsIn, wait > .zero, wait <= .days(31) else { return }
        block(segment, until: moment.steady + wait.microseconds)
    }

    /// The platform refused for this quota: nothing is sent until then.
    public mutating func block(until steady: Int64, by plan: MeterPlan) {
        for segment in plan.segments { block(segment, until: steady) }
    }

    /// Counts as if all of every limit had just been used: what is true when nothing is known.
    public mutating func fill(by plan: MeterPlan, at moment: Moment) {
        for segment in plan.segments where segment.form != .concurrent {
            roll(segment, at: moment)
            let room = limit(of: segment) - self[.settled, segment] - self[.inFlight, segment]
            if room > 0 { add(room, to: segment, at: moment) }
        }
    }

    private mutating func block(_ segment: MeterPlan.Segment, until steady: Int64) {
        blockedUntil(segment, max(blockedUntil(segment), steady))
    }

    // MARK: Looking

    /// How one limit of a key stands.
    public struct Level: Sendable, Equatable {
        public let limit: Int
        /// Counted by us: answered within the window, and under way.
        public let used: Int
        public let inFlight: Int
        /// When the next unit is free, where one is counted.
        public let nextFree: Int64?
        /// When all are.
        public let allFree: Int64?
        /// The platform said so.
        public let isLearned: Bool
        public let blockedUntil: Int64?
    }

    public mutating func levels(by plan: MeterPlan, at moment: Moment) -> [Level] {
        plan.segments.map { segment in
            roll(segment, at: moment)
            expireLog(segment, at: moment)
            let settled = self[.settled, segment]
            let blocked = blockedUntil(segment)
            return Level(
                limit: limit(of: segment), used: settled + self[.inFlight, segment],
                inFlight: self[.inFlight, segment],
                nextFree: settled > 0 ? freed(1, segment, moment) : nil,
                allFree: settled > 0 ? freed(settled, segment, moment) : nil,
                isLearned: self[.learned, segment] > 0, blockedUntil: blocked > moment.steady ? blocked : nil)
        }
    }

    // MARK: One window

    /// Nil when the units fit now.
    private mutating func freeTime(
        _ units: Int, _ priority: Priority, _ ahead: Int, _ segment: MeterPlan.Segment, _ plan: MeterPlan,
        _ moment: Moment
    ) -> Int64? {
        roll(segment, at: moment)
        let ceiling = plan.ceiling(of: limit(of: segment), for: priority)
        let wanted = min(units, ceiling) + ahead
        let blocked = blockedUntil(segment)
        if self[.settled, segment] + self[.inFlight, segment] + wanted > ceiling { expireLog(segment, at: moment) }
        let need = self[.settled, segment] + self[.inFlight, segment] + wanted - ceiling
        guard need > 0 else { return blocked > moment.steady ? blocked : nil }
        return max(blocked, freed(need, segment, moment))
    }

    /// When so many units will be free. Never a time that has passed.
    private func freed(_ need: Int, _ segment: MeterPlan.Segment, _ moment: Moment) -> Int64 {
        let settled = self[.settled, segment]
        var time: Int64
        switch segment.form {
        case .concurrent: return moment.steady + 1_000_000
        case .fixed:
            time = moment.steady + (mark(segment) + segment.slack - moment.wall.microseconds)
        case .log: time = logFreed(min(need, settled), segment)
        case .buckets: time = bucketsFreed(min(need, settled), segment)
        }
        // What is under way or stands ahead is free a window from now at the earliest, and so on.
        if need > settled {
            let rounds = Int64((need - settled - 1) / max(1, limit(of: segment))) + 1
            time = max(time, moment.steady) + rounds * segment.length
        }
        return max(time, moment.steady + 1)
    }

    private mutating func add(_ units: Int, to segment: MeterPlan.Segment, at moment: Moment) {
        roll(segment, at: moment)
        switch segment.form {
        case .concurrent: break
        case .log: addToLog(units, segment, moment)
        case .buckets:
            let newest = mark(segment)
            let bucket = max(moment.steady / segment.grain, newest - MeterPlan.Segment.buckets + 1)
            bucketCount(bucket, segment, bucketCount(bucket, segment) + units)
            self[.settled, segment] += units
        case .fixed:
            self[.settled, segment] += units
            // The platform's clock may stand beyond the border already.
            if moment.wall.microseconds + segment.slack >= mark(segment) { self[.next, segment] += units }
        }
    }

    /// Lets go of what is a window old; the log does it only when it must.
    private mutating func roll(_ segment: MeterPlan.Segment, at moment: Moment) {
        switch segment.form {
        case .log, .concurrent: break
        case .buckets: rollBuckets(segment, moment.steady)
        case .fixed:
            let now = moment.wall.microseconds - segment.slack
            guard now >= mark(segment) else { return }
            let next = segment.limit.window.border(after: Timestamp(microseconds: now)).microseconds
            // Two windows on, nothing of the one in between can matter.
            let isNext = mark(segment) > 0 && now < mark(segment) + segment.length
            self[.settled, segment] = isNext ? self[.next, segment] : 0
            self[.next, segment] = 0
            mark(segment, next)
        }
    }

    private func limit(of segment: MeterPlan.Segment) -> Int {
        let learned = self[.learned, segment]
        guard learned > 0 else { return segment.limit.units }
        switch segment.form {
        case .log: return min(learned, segment.limit.units)
        case .buckets: return min(learned, segment.isWide ? Quota.Limit.unitsMax : 0xFFFF)
        case .fixed, .concurrent: return learned
        }
    }
}

extension Quota.Window {
    /// Where the window that holds a moment ends, for those with borders by the clock.
    func border(after moment: Timestamp) -> Timestamp {
        switch self {
        case .fixed(let length, let offset):
            let (length, offset) = (max(1, length.microseconds), offset.microseconds)
            let since = moment.microseconds - offset
            let number = since >= 0 ? since / length : (since - length + 1) / length
            return Timestamp(microseconds: (number + 1) * length + offset)
        case .day(let zone): return zone.nextDay(after: moment)
        case .month(let zone): return zone.nextMonth(after: moment)
        case .rolling, .concurrent: return moment
        }
    }
}
