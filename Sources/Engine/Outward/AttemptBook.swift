import Kit
import Store

/// What a run has found out and not yet recorded. Pure: it gathers, and makes one set of it.
struct AttemptBook {
    /// Outcomes of one set, and how long the first of them waits for others.
    private static let setMax = 200
    private static let gathering = Duration.milliseconds(15)
    /// How often a cursor alone is written: what it passes over does not match and costs nothing to read again.
    private static let cursorEvery = Duration.seconds(1)
    /// Without a database, sending stops here.
    static let countMax = 1000
    /// Before a set that failed is recorded again.
    private static let repeatAfter = Duration.milliseconds(500)

    private var attempts: [Attempt] = []
    private var later: [DueChange] = []
    private var done: [Int64] = []
    /// Positions that were aside when they were tried.
    private var tried: [Int64] = []
    private var markers: [NewChange] = []
    private var verdictChanges: [NewChange] = []
    private var since: Timestamp?

    /// The set that is being recorded, or whose recording failed.
    private var set: (progress: EndpointProgress, tried: [Int64])?
    private(set) var isRecording = false
    private var repeatAt: Timestamp?
    /// As recorded.
    private var position: Int64
    private var cursorAt = Timestamp.zero

    init(position: Int64) { self.position = position }

    var count: Int { attempts.count + later.count + (set?.progress.attempts.count ?? 0) }

    /// Whether there is anything to record.
    func hasNews(upTo position: Int64) -> Bool { since != nil || set != nil || position > self.position }

    /// Whether the database did not take the last set.
    var hasFailed: Bool { repeatAt != nil }

    /// When a set is to be recorded although little is in it.
    var recordAt: Timestamp? {
        if isRecording { return nil }
        return repeatAt ?? since.map { $0 + Self.gathering }
    }

    mutating func add(_ attempt: Attempt, of shipment: Shipment) {
        attempts.append(attempt)
        if let due = shipment.due { tried.append(due.position) }
        since = since ?? attempt.at
    }
    mutating func moveAside(_ change: DueChange) { later.append(change) }
    /// It was aside, and is done.
    mutating func finish(_ position: Int64) { done.append(position) }
    mutating func mark(_ change: NewChange) { markers.append(change) }

    /// A change that waits behind another of its key, without a try.
    mutating func hold(_ shipment: Shipment, at now: Timestamp) {
        later.append(
            DueChange(
                position: shipment.item.position, orderingKey: shipment.key, attempts: 0, dueAt: now, firstAt: nil,
                isHeld: true))
        since = since ?? now
    }
    /// It was aside, and there is nothing left to send.
    mutating func forget(_ position: Int64, at now: Timestamp) {
        done.append(position)
        since = since ?? now
    }
    mutating func judged(_ changes: [NewChange], at now: Timestamp) {
        verdictChanges += changes
        since = since ?? now
    }

    /// The set to be recorded now, if it is time.
    mutating func nextSet(
        upTo cursor: Int64, isIdle: Bool, isEnding: Bool, at now: Timestamp, make: (AttemptBook) -> EndpointProgress
    ) -> (progress: EndpointProgress, isRepeated: Bool)? {
        guard !isRecording else { return nil }
        if let set {
            guard let repeatAt, repeatAt <= now else { return nil }
            isRecording = true
            return (set.progress, true)
        }
        guard isDue(upTo: cursor, isIdle: isIdle, isEnding: isEnding, at: now) else { return nil }
        let progress = make(self)
        set = (progress, tried)
        attempts = []
        later = []
        done = []
        tried = []
        markers = []
        verdictChanges = []
        since = nil
        isRecording = true
        return (progress, false)
    }

    private func isDue(upTo cursor: Int64, isIdle: Bool, isEnding: Bool, at now: Timestamp) -> Bool {
        guard let since else { return cursor > position && (isEnding || now - cursorAt >= Self.cursorEvery) }
        return isIdle || isEnding || count >= Self.setMax || now - since >= Self.gathering
    }

    /// The gathered, as one set.
    func progress(
        of endpoint: ID<EndpointKind>, node: ID<NodeKind>, fence: Int64, position: Int64, verdict: EndpointVerdict,
        at now: Timestamp
    ) -> EndpointProgress {
        var verdict = verdict
        verdict.changes = verdictChanges
        return EndpointProgress(
            endpoint: endpoint, node: node, fence: fence, position: position, attempts: attempts, later: later,
            done: done, verdict: verdict, markers: markers, at: now)
    }

    /// The set is on disk. Answers it, with the positions that were tried from aside, and the keys that are held by
    /// what has been gathered since.
    mutating func recorded(at now: Timestamp) -> (progress: EndpointProgress, tried: [Int64], stillHeld: Set<String>)? {
        isRecording = false
        repeatAt = nil
        guard let set else { return nil }
        self.set = nil
        position = max(position, set.progress.position)
        cursorAt = now
        return (set.progress, set.tried, Set(later.compactMap(\.orderingKey)))
    }

    mutating func failedToRecord(at now: Timestamp) {
        isRecording = false
        repeatAt = now + Self.repeatAfter
    }
}
