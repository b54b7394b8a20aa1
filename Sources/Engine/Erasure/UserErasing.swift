public import Kit
public import Logging
public import Store

/// Erases a user: what the user's own keys find at once, then what only a look at every event finds, then what the
/// database has not overwritten yet. Its receipt says what went, what stays and why.
public struct UserErasing: JobWorker {
    public static let kind = "user.erase"
    public var kind: String { Self.kind }
    static let lane = Lane("erasure", .event)
    /// Pages given back by one transaction.
    private static let pages = 500
    /// How often the log of an SQLite file may be found busy.
    private static let scrubsMax = 20

    let database: any Database
    let ids: Identifiers
    let time: TimeSource
    private let bells: Bells
    private let objects: ObjectStore?
    private let walk: EventWalk
    private let accounts: ForsakenAccounts

    /// - Parameters:
    ///   - accounts: erases the rows of accounts to which nobody is connected any more.
    ///   - objects: whose files go with their user; nil where there are none.
    public init(
        database: any Database, accounts: ForsakenAccounts, ids: Identifiers, time: TimeSource, bells: Bells,
        objects: ObjectStore? = nil, logger: Logger
    ) {
        self.objects = objects
        self.database = database
        self.accounts = accounts
        self.ids = ids
        self.time = time
        self.bells = bells
        walk = EventWalk(database: database, time: time, logger: logger)
    }

    /// Begins an erasure: from the end of this transaction on nothing new about the user is kept.
    ///
    /// - Returns: nil when there is no such user.
    public static func begin(
        _ new: NewErasure, job: ID<JobKind>, in session: Session
    ) throws -> ErasureRow? {
        guard let counts = try session.erase(new) else { return nil }
        try session.advance(new.id, to: "", counts: ErasureCounts(counts).text)
        try session.enqueue([
            NewJob(
                id: job, kind: kind, lane: lane, dueAt: new.at, createdAt: new.at, input: Array(new.id.text.utf8),
                subject: new.id.text)
        ])
        return try session.erasure(new.id)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let id = ID<ErasureKind>(String(decoding: job.input, as: UTF8.self)),
            let erasure = try await database.read("erasure", { try $0.erasure(id) })
        else { throw JobInterruption.hopeless("The job names no erasure.") }
        try await walk.run(after: erasure.position, holding: job) { session, step in
            guard let row = try session.erasure(id) else { throw StoreError.damaged("the erasure \(id)") }
            var counts = ErasureCounts(row.counts)
            counts.add(step)
            try session.advance(id, to: step.last ?? row.position, counts: counts.text)
        }
        try await accounts.run()
        // Nothing says that a user is erased while a file of theirs lies here.
        while try await objects?.deleteDropped() ?? 0 > 0 {}
        try await scrub()
        try await finish(erasure, job)
        bells.written.ring()
        return .committed
    }

    /// Free pages of an SQLite file may hold what retention deleted long ago: they leave the file. Then the log.
    private func scrub() async throws {
        for _ in 0..<2000 {
            let returned = try await database.set("erase_pages", in: .maintenance) {
                try $0.returnFreePages(Self.pages)
            }
            guard returned > 0 else { break }
            try await time.sleep(.milliseconds(2))  // Lets others go first.
        }
        for _ in 0..<Self.scrubsMax {
            if try await database.scrub() { return }
            try await time.sleep(.milliseconds(500))
        }
        throw StoreError.unavailable("somebody reads for so long that the log of the file cannot be emptied")
    }

    private func finish(_ erasure: ErasureRow, _ job: ClaimedJob) async throws {
        let now = time.now()
        let (what, isUser) = (erasure.provider == nil ? "user" : "account", erasure.provider == nil)
        let change = NewChange(
            id: ids.make(), type: "user.erased", subject: erasure.id.text, occurredAt: now,
            data: (["erasure_id": JSON(erasure.id), "user": .string(erasure.who)] as JSON).bytes)
        let entry = NewAudit(
            id: ids.make(), at: now, actor: erasure.askedBy, action: "\(what).erased", subject: erasure.id.text,
            detail: .object([.init(what, .string(erasure.who))]))
        try await database.write("erasure_done") { session in
            try session.hold(job)
            try session.finish(erasure.id, at: now)
            // Of an account the application has heard by its connections.
            if isUser { try session.append([change]) }
            try session.audit(entry)
            try session.succeed(job, at: now)
        }
    }
}

/// Looks once an hour at what has come since the last look: events of types that nothing here acts upon are kept as
/// they come, also those about someone who was erased.
public struct ErasureSweep: JobWorker {
    public static let kind = "maintenance.erased"
    public var kind: String { Self.kind }
    private static let fact = "erased_swept"

    private let database: any Database
    private let walk: EventWalk

    public init(database: any Database, time: TimeSource, logger: Logger) {
        self.database = database
        walk = EventWalk(database: database, time: time, logger: logger)
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let (hasNames, last) = try await database.read("erased_swept") { session in
            (try session.hasErasedNames(), try session.instanceFact(Self.fact))
        }
        guard hasNames else { return .done }
        try await walk.run(after: last ?? "", holding: job) { session, step in
            if let last = step.last { try session.setInstanceFact(Self.fact, last) }
        }
        return .done
    }
}

/// Walks over the events in small steps, each a transaction that may be the last: the next run goes on behind it.
struct EventWalk: Sendable {
    /// Events looked at, and erased, by one transaction.
    private static let (window, most) = (1000, 50)

    let database: any Database
    let time: TimeSource
    let logger: Logger

    func run(
        after start: String, holding job: ClaimedJob,
        _ note: @escaping @Sendable (Session, ErasedStep) throws -> Void
    ) async throws {
        var (last, erased) = (start, 0)
        while true {
            let now = time.now()
            let step = try await database.set("erase_events", in: .maintenance) { [last] session in
                try session.hold(job)
                let step = try session.eraseEvents(after: last, window: Self.window, most: Self.most, at: now)
                try note(session, step)
                return step
            }
            erased += step.events
            guard step.hasMore, let next = step.last else { break }
            last = next
            try await time.sleep(.milliseconds(2))  // Lets others go first.
        }
        if erased > 0 { logger.info("events.erased", metadata: ["events": "\(erased)"]) }
    }
}

/// How many rows of what an erasure has erased, as its row keeps them.
public struct ErasureCounts: Sendable, Equatable {
    public private(set) var rows: [(what: String, count: Int)] = []

    public init(_ rows: [(what: String, rows: Int)]) { self.rows = rows.map { ($0.what, $0.rows) } }
    /// Of the text that `text` makes.
    public init(_ text: String) {
        let members = (try? JSON.parse(text))?.members ?? []  // Written by us.
        rows = members.map { ($0.name, Int($0.value.integer ?? 0)) }
    }

    public static func == (left: Self, right: Self) -> Bool { left.text == right.text }

    mutating func add(_ step: ErasedStep) {
        add([("events", step.events), ("bodies", step.bodies), ("changes", step.changes)])
    }

    mutating func add(_ more: [(what: String, rows: Int)]) {
        for (what, count) in more {
            if let index = rows.firstIndex(where: { $0.what == what }) {
                rows[index].count += count
            } else {
                rows.append((what, count))
            }
        }
    }

    public var json: JSON { .object(rows.map { JSONMember($0.what, JSON($0.count)) }) }
    public var text: String { json.line }
}
