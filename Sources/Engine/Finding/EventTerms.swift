import Crypto
public import Kit
public import Store

/// Finds events by the values that people have in hand: an order, a customer, an e-mail address.
///
/// Kept is no value but a hash of it, made with a key that nobody has who has the database alone. The index is made
/// beside the way in, from the events' own bytes, so it costs a delivery nothing; whoever searches brings it up to
/// date first. It can be made anew at any time: it is when its key is there no longer.
public struct EventTerms: Sendable {
    static let (eventsAtOnce, bytesAtOnce) = (250, 4 << 20)
    /// Before a search waits no longer for the index.
    private static let stepsBeforeSearch = 8

    private let findable: [String: FindableValues]
    private let vault: Vault
    private let database: any Database
    private let time: TimeSource

    /// - Parameter findable: by which values each platform's events are found, by its id.
    public init(_ findable: [String: FindableValues], vault: Vault, database: any Database, time: TimeSource) {
        self.findable = findable
        self.vault = vault
        self.database = database
        self.time = time
    }

    /// The hash under which events with this value stand; nil where no event can, since it is no value or nothing is
    /// indexed. Events that came until two seconds ago are indexed first, unless thousands wait: those that are not
    /// yet are found by a later search.
    public func term(of value: String) async throws -> Int64? {
        guard let value = FindableValue.normal(value) else { return nil }
        for _ in 0..<Self.stepsBeforeSearch where try await step() < Self.eventsAtOnce { break }
        let state = try await database.read("event_terms_state") { try $0.eventTermsState() }
        return state.keyID.flatMap { vault.indexKey(from: $0) }.map { Self.term(of: value, under: $0) }
    }

    /// Indexes the next events. How many; 0 when there are none, or nothing can be hashed.
    func step() async throws -> Int {
        guard let (id, key) = try await key() else { return 0 }
        let now = time.now()
        let events = try await database.read("event_terms") {
            try $0.eventsToIndex(at: now, limit: Self.eventsAtOnce, bytesMax: Self.bytesAtOnce)
        }
        guard let events else { return 0 }
        let terms = events.contents.map { content in
            (findable[content.provider] ?? .none).read(content.bytes).map { Self.term(of: $0, under: key) }
        }
        try await database.set("event_terms", in: .maintenance) { try $0.index(events, key: id, terms: terms) }
        return events.count
    }

    /// The key of the index, which begins anew where it has none that is there.
    private func key() async throws -> (id: String, key: SymmetricKey)? {
        let state = try await database.read("event_terms_state") { try $0.eventTermsState() }
        if let id = state.keyID, let key = vault.indexKey(from: id) { return (id, key) }
        guard let newest = vault.newestKey, let key = vault.indexKey(from: newest) else { return nil }
        if let old = state.keyID {
            while try await database.set(
                "event_terms_dropped", in: .maintenance, { try $0.dropEventTerms(key: old, limit: Self.eventsAtOnce) })
                == Self.eventsAtOnce
            {}
        }
        try await database.write("event_terms_begun", in: .maintenance) { session in
            guard try session.eventTermsState() == state else { return }  // Another node has begun it.
            try session.beginEventTerms(key: newest)
        }
        return (newest, key)
    }

    /// 64 bits: of a million events, two values share one in a lifetime of searches.
    private static func term(of value: String, under key: SymmetricKey) -> Int64 {
        let mac = HMAC<SHA256>.authenticationCode(for: Array(value.utf8), using: key)
        return mac.prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}

/// Brings the index of findable values up to date, once a minute.
public struct EventTermsWorker: JobWorker {
    public static let kind = "maintenance.event_terms"
    /// In one run; what is left goes with the next.
    private static let roundsMax = 5000

    public var kind: String { Self.kind }
    private let terms: EventTerms
    private let time: TimeSource

    public init(_ terms: EventTerms, time: TimeSource) {
        self.terms = terms
        self.time = time
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .minutes(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        for _ in 0..<Self.roundsMax {
            guard try await terms.step() > 0 else { break }
            try await time.sleep(.milliseconds(5))  // Lets others go first.
        }
        return .done
    }
}
