import Kit
import Logging
import Store
import Synchronization

/// What every run of a node needs.
struct SenderTools: Sendable {
    let database: any Database
    let hub: ChangeHub
    let wire: any OutsideWire
    let vault: any Sealing
    let identifiers: Identifiers
    let node: @Sendable () -> ID<NodeKind>
    let time: TimeSource
    let logger: Logger
    let metrics: Metrics
    /// Rung when a run has written changes of its own.
    let written: Bell
    let slotsMax: Int
    let program: String
}

/// What others tell a run, and its own tasks report to it.
final class RunControl: Sendable {
    enum Report: Sendable {
        case tried(Shipment, Result<WireAnswer, WireFailure>, at: Timestamp, latency: Duration)
        case recorded(Result<RecordedProgress?, any Error>)
    }
    private struct State {
        var reports: [Report] = []
        var isStopping = false
        var reloads = false
        var looksForDue = false
    }
    private let state = Mutex(State())
    let bell = Bell()

    func post(_ report: Report) {
        state.withLock { $0.reports.append(report) }
        bell.ring()
    }
    /// Finish what is in flight, begin nothing.
    func stop() {
        state.withLock { $0.isStopping = true }
        bell.ring()
    }
    /// The settings have changed.
    func reload() {
        state.withLock { $0.reloads = true }
        bell.ring()
    }
    /// Something aside may have become due, put there by somebody else.
    func lookForDue() {
        state.withLock { $0.looksForDue = true }
        bell.ring()
    }

    func takeReports() -> [Report] {
        state.withLock { state in
            defer { state.reports = [] }
            return state.reports
        }
    }
    var isStopping: Bool { state.withLock { $0.isStopping } }
    func takeReload() -> Bool { state.withLock { take(&$0.reloads) } }
    func takeLookForDue() -> Bool { state.withLock { take(&$0.looksForDue) } }

    /// Waits until it is told to stop or to look at its settings again.
    func waitForOrders(until moment: Timestamp, on time: TimeSource) async {
        while !Task.isCancelled, time.now() < moment {
            let seen = bell.rings
            if isStopping || takeReload() { return }
            await bell.wait(since: seen, until: moment, on: time)
        }
    }

    private func take(_ flag: inout Bool) -> Bool {
        defer { flag = false }
        return flag
    }
}

/// A change on its way to an endpoint.
struct Shipment: Sendable {
    let item: FeedItem
    let key: String?
    /// Where it stood aside; nil for one that comes from the feed.
    let due: DueChange?

    /// Of this try; 1 is the first.
    var number: Int64 { (due?.attempts ?? 0) + 1 }
}

/// One endpoint being sent to, by the node that holds its lease.
///
/// A loop looks at what has come in, decides, hands out tries, and records in sets; tries and sets run beside it and
/// report back. All state belongs to the loop. What is not recorded when the process dies is sent again.
struct EndpointRun {
    /// How far reading may be ahead of the oldest change that is not done.
    static let span = Int64(1000)
    /// Changes of one read.
    static let batch = 100
    /// The longest that the loop waits without looking, and how long it leaves a database alone that did not answer.
    private static let look = Duration.seconds(1)

    let tools: SenderTools
    let control: RunControl
    let fence: Int64
    var endpoint: Endpoint
    var signer: EndpointSigner
    var patterns: EventPatterns
    var judge: EndpointJudge
    var pace: SendingPace
    var window: SendingWindow
    var book: AttemptBook
    /// Set when the lease is lost or the endpoint is gone: nothing more may be written.
    var isLost = false
    /// Whether there is room for more changes and the last read was full.
    private var readsOn = false
    /// Whether the settings are to be read anew.
    private var isStale = false
    /// Without a database nothing is read before.
    private var readAgainAt = Timestamp.zero

    /// Reads what there is to know. Nil when the endpoint is gone or disabled.
    init?(_ id: ID<EndpointKind>, fence: Int64, tools: SenderTools, control: RunControl) async throws {
        guard let (endpoint, signer) = try await Self.load(id, tools), endpoint.state != .disabled else { return nil }
        let aside = try await tools.database.read("endpoints.aside") {
            try $0.due(of: id, after: endpoint.position, limit: Int(Self.span) * 2)
        }
        self.tools = tools
        self.control = control
        self.fence = fence
        self.endpoint = endpoint
        self.signer = signer
        patterns = EventPatterns(endpoint.types)
        judge = EndpointJudge(endpoint)
        pace = SendingPace(slotsMax: tools.slotsMax)
        window = SendingWindow(position: endpoint.position, aside: Set(aside.map(\.position)))
        book = AttemptBook(position: endpoint.position)
    }

    static func load(
        _ id: ID<EndpointKind>, _ tools: SenderTools
    ) async throws -> (Endpoint, EndpointSigner)? {
        let now = tools.time.now()
        let found = try await tools.database.read("endpoints.load") { session in
            try session.endpoint(id).map { ($0, try session.secrets(of: id, at: now)) }
        }
        guard let (endpoint, secrets) = found else { return nil }
        return (endpoint, try EndpointSigner(opening: secrets, of: id, with: tools.vault, program: tools.program))
    }

    /// Runs until it is told to stop, the lease is lost, or the endpoint is disabled.
    mutating func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let seen = control.bell.rings
                for report in control.takeReports() { absorb(report) }
                if isLost { break }
                if control.takeReload() { isStale = true }
                if isStale, mayRead(at: tools.time.now()) { await reload() }
                let isEnding = control.isStopping || judge.state == .disabled
                if isEnding, hasEnded { break }
                if !isEnding {
                    warnIfDue()
                    await refill()
                    send(in: &group)
                }
                record(in: &group, isEnding: isEnding)
                if readsOn, !isEnding { continue }
                await control.bell.wait(since: seen, until: nextLook, on: tools.time)
            }
            group.cancelAll()
        }
    }

    /// Nothing is under way and all is on disk, or will not come there now: it is sent again then.
    private var hasEnded: Bool {
        window.inFlight == 0 && !book.isRecording && (book.hasFailed || !book.hasNews(upTo: window.position))
    }

    private var nextLook: Timestamp {
        let now = tools.time.now()
        var next = now + Self.look
        if window.hasRoomForDue, let due = window.nextDueAt { next = min(next, max(due, notBefore, readAgainAt)) }
        if isStale { next = min(next, readAgainAt) }
        if notBefore > now { next = min(next, notBefore) }
        if let recordAt = book.recordAt { next = min(next, recordAt) }
        return next
    }

    /// Nothing is sent before: the endpoint asked for it, or takes nothing.
    private var notBefore: Timestamp { max(judge.health.pausedUntil, pace.breakUntil) }

    // MARK: What to send

    /// Hands out tries while there are slots.
    private mutating func send(in group: inout DiscardingTaskGroup) {
        let now = tools.time.now()
        guard now >= notBefore else { return }
        var held: [Shipment] = []
        defer { for shipment in held { book.hold(shipment, at: now) } }
        while window.inFlight < pace.slots, book.count < AttemptBook.countMax {
            guard let shipment = window.next(orderedBy: endpoint.orderedBy, held: &held) else { return }
            let request = Request(shipment: shipment, signer: signer, url: endpoint.url)
            group.addTask { [tools, control] in await request.send(tools, control) }
        }
    }

    /// A try as a task.
    private struct Request: Sendable {
        let shipment: Shipment
        let signer: EndpointSigner
        let url: String

        func send(_ tools: SenderTools, _ control: RunControl) async {
            let now = tools.time.now()
            let request = signer.request(shipment.item.body, id: shipment.item.id, to: url, at: now)
            let start = ContinuousClock.now
            let result: Result<WireAnswer, WireFailure>
            do { result = .success(try await tools.wire.post(request)) } catch { result = .failure(error) }
            control.post(.tried(shipment, result, at: now, latency: start.duration(to: .now)))
        }
    }

    /// Reads on where there is room, and what has become due.
    private mutating func refill() async {
        readsOn = false
        let now = tools.time.now()
        if control.takeLookForDue() { window.nextDueAt = now }
        guard mayRead(at: now) else { return }
        do {
            if let due = window.nextDueAt, due <= now, window.hasRoomForDue { try await refillDue(now) }
            readsOn = window.hasRoom ? try await readOn() : false
        } catch {
            failedToRead(error)
        }
    }

    /// Not so soon after a failure; whatever the clock was at that moment.
    private func mayRead(at now: Timestamp) -> Bool { now >= readAgainAt || readAgainAt - now > Self.look }

    private mutating func failedToRead(_ error: any Error) {
        tools.logger.warning("endpoint.not_read", metadata: ["endpoint": "\(endpoint.id)", "problem": "\(error)"])
        readAgainAt = tools.time.now() + Self.look
    }

    /// Reads the next changes of the feed. Whether there are more and room for them.
    private mutating func readOn() async throws -> Bool {
        let items = try await tools.hub.items(after: window.readPosition, limit: Self.batch)
        guard let first = items.first else { return false }
        if first.position != window.readPosition + 1 {
            tools.logger.error("endpoint.gap", metadata: ["endpoint": "\(endpoint.id)", "first": "\(first.position)"])
        }
        window.add(items) { patterns.match($0.type) }
        try await markKeys(of: items)
        return items.count == Self.batch && window.hasRoom
    }

    private mutating func refillDue(_ now: Timestamp) async throws {
        let (id, busy) = (endpoint.id, window.busyDue)
        let limit = Self.batch + busy.count
        let (due, changes, next) = try await tools.database.read("endpoints.due") { session in
            let all = try session.due(of: id, at: now, limit: limit)
            let due = all.filter { !busy.contains($0.position) }
            let changes = try session.changes(at: due.map(\.position))
            return (due, changes, all.count == limit ? now : try session.nextDue(of: id, after: now))
        }
        let items = Dictionary(uniqueKeysWithValues: changes.map { ($0.position, FeedItem($0)) })
        for entry in due {
            if let item = items[entry.position] {
                window.add(entry, item)
            } else {
                book.forget(entry.position, at: now)  // Retention was faster.
            }
        }
        window.nextDueAt = next
    }

    /// Learns which keys of these changes have something aside: those changes must wait behind it.
    private mutating func markKeys(of items: [FeedItem]) async throws {
        guard endpoint.orderedBy != .none else { return }
        let order = endpoint.orderedBy
        let keys = Set(items.compactMap { $0.key(by: order) }).subtracting(window.keysAside)
        guard !keys.isEmpty else { return }
        let id = endpoint.id
        window.keysAside.formUnion(
            try await tools.database.read("endpoints.keys") { try $0.keysDue(keys, of: id) })
    }

    private mutating func reload() async {
        do {
            guard let (endpoint, signer) = try await Self.load(endpoint.id, tools) else {
                isLost = true
                return
            }
            self.endpoint = endpoint
            self.signer = signer
            patterns = EventPatterns(endpoint.types)
            judge = EndpointJudge(endpoint)
            isStale = false
        } catch {
            failedToRead(error)
        }
    }
}
