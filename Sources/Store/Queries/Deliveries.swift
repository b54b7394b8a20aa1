import Crypto
public import Kit

/// A believed delivery with all that is kept of it in one commit.
public struct Arrival: Sendable {
    public let id: ID<DeliveryKind>
    public let provider: String
    /// The owner of the secret that proved it: the scope of its identities.
    public let app: ID<AppKind>
    public let receivedAt: Timestamp
    public let method: String
    public let target: [UInt8]
    /// `name: value` lines, as bytes.
    public let headers: [UInt8]
    public let remote: String?
    public let body: [UInt8]
    public let checksum: Int64
    /// `late`, `listed`, `unreadable`, `test`, separated by blanks; nil for none.
    public let flags: String?
    public let reason: String?
    public let events: [ArrivingEvent]
    /// What a person must look at, for a body that cannot be read.
    public let review: NewReview?
    /// Counts where all its events are known, and leaves no trace otherwise: its signature is right, its time is over.
    public let repeatsOnly: Bool
    /// What stands for the content of a body in which no event can be read, since it may come again and again: its
    /// identity is kept, and no event.
    public let unread: ArrivingEvent?
    /// What its proof is known by, where the signature does not cover the body.
    public var proof: UsedProof?
    /// Nothing names what it says: it is kept, whatever came before.
    var isUnique: Bool { events.isEmpty && unread == nil }

    public init(
        id: ID<DeliveryKind>, provider: String, app: ID<AppKind>, receivedAt: Timestamp, method: String,
        target: [UInt8], headers: [UInt8], remote: String?, body: [UInt8], checksum: Int64, flags: String?,
        reason: String?, events: [ArrivingEvent], review: NewReview?, repeatsOnly: Bool = false,
        unread: ArrivingEvent? = nil
    ) {
        self.id = id
        self.provider = provider
        self.app = app
        self.receivedAt = receivedAt
        self.method = method
        self.target = target
        self.headers = headers
        self.remote = remote
        self.body = body
        self.checksum = checksum
        self.flags = flags
        self.reason = reason
        self.events = events
        self.review = review
        self.repeatsOnly = repeatsOnly
        self.unread = unread
    }
}

/// A proof that is good for one body alone.
public struct UsedProof: Sendable, Equatable {
    /// What names the proof, by the day that it was signed.
    public let identity: EventIdentity
    /// SHA-256 of the body that came with it.
    public let body: [UInt8]

    public init(nonce: [UInt8], signedAt: Timestamp, body: [UInt8]) {
        identity = EventIdentity(day: signedAt.day, of: nonce)
        self.body = Array(SHA256.hash(data: body))
    }
}

/// One fact of an arrival, and what it sets off.
public struct ArrivingEvent: Sendable {
    public let id: ID<EventKind>
    public let event: Event
    /// Nil where nothing here acts on this type: then it is logged, and `change` tells of it.
    public let job: NewJob?
    public let change: NewChange?
    /// The account's owner wants it erased.
    public var erasure: NewAccountErasure?

    public init(id: ID<EventKind>, event: Event, job: NewJob?, change: NewChange?) {
        self.id = id
        self.event = event
        self.job = job
        self.change = change
    }
}

/// What became of an arrival, once it is on disk.
public struct Kept: Sendable, Equatable {
    public let new: Int
    public let duplicates: Int
    /// Nothing of it is kept: its proof came before, with another body.
    public let hasUsedProof: Bool
    public init(new: Int, duplicates: Int, hasUsedProof: Bool = false) {
        self.new = new
        self.duplicates = duplicates
        self.hasUsedProof = hasUsedProof
    }
}

extension Session {
    /// So many repetitions of an event have a line each; more are only counted.
    public static var repetitionsKept: Int64 { 32 }

    /// Keeps deliveries with bodies, identities, events and jobs, all or nothing. A repetition keeps a line and a
    /// count; whether it is one is decided by the unique index, after whoever came first has committed. One of a body
    /// in which nothing can be read keeps nothing.
    ///
    /// - Returns: what became of each, in order; of one that may only repeat and does not, nothing.
    public func keep(_ arrivals: [Arrival]) throws -> [Kept] {
        let forged = try provenOtherwise(arrivals)
        let candidates = arrivals.enumerated().filter { !forged.contains($0.offset) }.flatMap { number, arrival in
            (arrival.events + [arrival.unread].compactMap(\.self)).map {
                Candidate(arrival: number, scope: arrival.app.text, event: $0)
            }
        }
        let new = try claimIdentities(of: candidates.filter { !arrivals[$0.arrival].repeatsOnly })
        let strangers = try unknown(among: candidates.filter { arrivals[$0.arrival].repeatsOnly })
        let fresh = candidates.filter { new.contains($0.event.id.text) }
        let repeated = candidates.filter { !new.contains($0.event.id.text) && !strangers.contains($0.arrival) }
        let newByArrival = Dictionary(grouping: fresh, by: \.arrival)
        let repeatedByArrival = Dictionary(grouping: repeated, by: \.arrival)
        // A delivery is kept whole when it brought anything new, be it that nobody can read it.
        let whole = arrivals.indices.filter { number in
            newByArrival[number] != nil || arrivals[number].isUnique && !forged.contains(number)
        }
        let events = fresh.filter { arrivals[$0.arrival].unread == nil }

        try insertBodies(whole.map { arrivals[$0] })
        try insertEvents(events, of: arrivals)
        let counted = try count(repeated.filter { arrivals[$0.arrival].unread == nil }, of: arrivals)
        let numbers = Set(whole).union(counted.lines).sorted()
        try insertDeliveries(arrivals, numbers, whole: Set(whole), firstEvents: events, originals: counted.originals)
        try enqueue(events.compactMap(\.event.job))
        try append(events.compactMap(\.event.change))
        for erasure in events.compactMap(\.event.erasure) { try begin(erasure) }
        for review in whole.compactMap({ arrivals[$0].review }) { _ = try open(review) }
        return arrivals.indices.map {
            Kept(
                new: newByArrival[$0]?.count ?? 0, duplicates: repeatedByArrival[$0]?.count ?? 0,
                hasUsedProof: forged.contains($0))
        }
    }

    /// How many events of arrivals are known and not known; keeps nothing.
    public func missing(among arrivals: [Arrival]) throws -> Kept {
        let candidates = arrivals.flatMap { arrival in
            (arrival.events + [arrival.unread].compactMap(\.self)).map {
                Candidate(arrival: 0, scope: arrival.app.text, event: $0)
            }
        }
        let missing = try candidates.count { try !unknown(among: [$0]).isEmpty }
        return Kept(new: missing, duplicates: candidates.count - missing)
    }

    /// Keeps those events of arrivals that are not known, as `keep` does, and leaves no trace of the others: a platform
    /// listed them, nothing was delivered again. What cannot be read counts as an event each.
    public func keepMissing(_ arrivals: [Arrival]) throws -> Kept {
        let candidates = arrivals.enumerated().flatMap { number, arrival in
            arrival.events.map { Candidate(arrival: number, scope: arrival.app.text, event: $0) }
        }
        let unread = arrivals.enumerated().compactMap { number, arrival in
            arrival.unread.map { Candidate(arrival: number, scope: arrival.app.text, event: $0) }
        }
        let new = try claimIdentities(of: candidates + unread)
        let fresh = candidates.filter { new.contains($0.event.id.text) }
        let freshUnread = unread.filter { new.contains($0.event.id.text) }
        let numbers = Set((fresh + freshUnread).map(\.arrival)).sorted()
        try insertBodies(numbers.map { arrivals[$0] })
        try insertEvents(fresh, of: arrivals)
        try insertDeliveries(arrivals, numbers, whole: Set(numbers), firstEvents: fresh, originals: [:])
        try enqueue(fresh.compactMap(\.event.job))
        try append(fresh.compactMap(\.event.change))
        for review in freshUnread.compactMap({ arrivals[$0.arrival].review }) { _ = try open(review) }
        let kept = fresh.count + freshUnread.count
        return Kept(new: kept, duplicates: candidates.count + unread.count - kept)
    }

    /// Keeps the events of a delivery that was kept before and could not be read then; its body is there already.
    public func keepRead(_ arrival: Arrival) throws -> Kept {
        let candidates = arrival.events.map { Candidate(arrival: 0, scope: arrival.app.text, event: $0) }
        let new = try claimIdentities(of: candidates)
        let fresh = candidates.filter { new.contains($0.event.id.text) }
        try insertEvents(fresh, of: [arrival])
        let counted = try count(candidates.filter { !new.contains($0.event.id.text) }, of: [arrival])
        try run(
            """
            UPDATE deliveries
               SET flags = \(arrival.flags), reason = NULL,
                   event_id = \(fresh.first?.event.id.text ?? counted.originals[0])
             WHERE id = \(arrival.id)
            """)
        try enqueue(fresh.compactMap(\.event.job))
        try append(fresh.compactMap(\.event.change))
        for erasure in fresh.compactMap(\.event.erasure) { try begin(erasure) }
        return Kept(new: fresh.count, duplicates: candidates.count - fresh.count)
    }

    /// Keeps the first bytes of deliveries that were not believed, and why.
    public func keepRejected(_ rejections: [Rejection]) throws {
        try insert(
            "INSERT INTO bodies (id, bytes, encoding, key_id, checksum) VALUES",
            rejections.filter { !$0.body.isEmpty }.map {
                [$0.id.cell] + (try form(of: $0.body).cells) + [.integer($0.checksum)]
            })
        try insert(
            """
            INSERT INTO deliveries (id, provider, app_id, received_at, verdict, code, reason, method, target, headers,
                                    remote, size, body_id) VALUES
            """,
            rejections.map {
                [
                    $0.id.cell, .text($0.provider), .null, $0.receivedAt.cell, .text("rejected"), .text($0.code),
                    .text($0.reason), .text($0.method), .blob($0.target), .blob($0.headers), $0.remote.cell,
                    .integer(Int64($0.size)), $0.body.isEmpty ? .null : $0.id.cell,
                ]
            })
    }

    /// Removes rejected deliveries beyond the newest `keeping` of a provider, at most 500 at once.
    public func trimRejected(of provider: String, keeping: Int) throws -> Int {
        let old = try rows(
            """
            SELECT id, body_id FROM deliveries
             WHERE provider = \(provider) AND verdict = 'rejected'
             ORDER BY id DESC
             LIMIT 500 OFFSET \(keeping)
            """
        ) { row in (try row.text(), try row.optionalText()) }
        guard !old.isEmpty else { return 0 }
        try run("DELETE FROM deliveries WHERE id IN (\(SQL.list(old.map(\.0))))")
        let bodies = old.compactMap(\.1)
        if !bodies.isEmpty { try run("DELETE FROM bodies WHERE id IN (\(SQL.list(bodies)))") }
        return old.count
    }

    // MARK: The parts of keep

    /// The arrivals whose proof is known with another body. Other proofs are noted, but for those whose time is over:
    /// of them nothing is kept.
    private func provenOtherwise(_ arrivals: [Arrival]) throws -> Set<Int> {
        let proofs = arrivals.enumerated().compactMap { number, arrival in
            arrival.proof.map { (number: number, scope: arrival.app.text, proof: $0) }
        }
        guard !proofs.isEmpty else { return [] }
        // Sorted for the same reason as identities.
        let noted = proofs.filter { !arrivals[$0.number].repeatsOnly }.sorted {
            ($0.scope, $0.proof.identity.day) < ($1.scope, $1.proof.identity.day)
                || ($0.scope, $0.proof.identity.day) == ($1.scope, $1.proof.identity.day)
                    && $0.proof.identity.hash.lexicographicallyPrecedes($1.proof.identity.hash)
        }
        try insert(
            "INSERT INTO used_proofs (scope, day, hash, body) VALUES",
            noted.map {
                [
                    .text($0.scope), .integer($0.proof.identity.day), .blob($0.proof.identity.hash),
                    .blob($0.proof.body),
                ]
            }, "ON CONFLICT DO NOTHING")
        var forged: Set<Int> = []
        for (number, scope, proof) in proofs {
            let body = try row(
                """
                SELECT body FROM used_proofs
                 WHERE scope = \(scope) AND day = \(proof.identity.day) AND hash = \(proof.identity.hash)
                """
            ) { try $0.blob() }
            if let body, body != proof.body { forged.insert(number) }
        }
        return forged
    }

    /// The ids of events whose identity was not known. Sorted first, so that two nodes that receive the same
    /// repetitions take the same locks in the same order.
    private func claimIdentities(of candidates: [Candidate]) throws -> Set<String> {
        let sorted = candidates.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return Set(
            try insert(
                "INSERT INTO event_identities (scope, day, hash, event_id) VALUES",
                sorted.map {
                    [
                        .text($0.scope), .integer($0.event.event.identity.day), .blob($0.event.event.identity.hash),
                        $0.event.id.cell,
                    ]
                },
                "ON CONFLICT DO NOTHING RETURNING event_id"
            ) { try $0.text() })
    }

    /// The arrivals of which some event is not known.
    private func unknown(among candidates: [Candidate]) throws -> Set<Int> {
        var strangers: Set<Int> = []
        for candidate in candidates {
            let identity = candidate.event.event.identity
            let known = try row(
                """
                SELECT event_id FROM event_identities
                 WHERE scope = \(candidate.scope) AND day = \(identity.day) AND hash = \(identity.hash)
                """
            ) { try $0.text() }
            if known == nil { strangers.insert(candidate.arrival) }
        }
        return strangers
    }

    private func insertBodies(_ arrivals: [Arrival]) throws {
        try insert(
            "INSERT INTO bodies (id, bytes, encoding, key_id, checksum) VALUES",
            arrivals.map { [$0.id.cell] + (try form(of: $0.body).cells) + [.integer($0.checksum)] })
    }

    private func insertEvents(_ candidates: [Candidate], of arrivals: [Arrival]) throws {
        try insert(
            """
            INSERT INTO events (id, provider, app_id, delivery_id, provider_event_id, type, account, subject,
                                occurred_at, received_at, body_id, body_offset, body_length, state, state_at,
                                told_at) VALUES
            """,
            candidates.map { candidate in
                let (arrival, event) = (arrivals[candidate.arrival], candidate.event.event)
                return [
                    candidate.event.id.cell, .text(arrival.provider), arrival.app.cell, arrival.id.cell,
                    event.providerEventID.cell, .text(event.type), event.account.cell, event.subject.cell,
                    event.occurredAt.cell, arrival.receivedAt.cell, arrival.id.cell,
                    .integer(Int64(event.body.lowerBound)), .integer(Int64(event.body.count)),
                    .text(candidate.event.job == nil ? "ignored" : "queued"), arrival.receivedAt.cell,
                    // What no job acts on is told with this very commit, or never.
                    candidate.event.job == nil ? arrival.receivedAt.cell : .null,
                ]
            })
    }

    /// Counts repetitions on the events they repeat. Answers the first original of each arrival, and which arrivals
    /// have a line of their own.
    private func count(
        _ repeated: [Candidate], of arrivals: [Arrival]
    ) throws -> (originals: [Int: String], lines: Set<Int>) {
        var (originals, lines): ([Int: String], Set<Int>) = ([:], [])
        for candidate in repeated.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let arrival = arrivals[candidate.arrival]
            let identity = candidate.event.event.identity
            let original = try row(
                """
                SELECT i.event_id, b.checksum
                  FROM event_identities i
                  LEFT JOIN events e ON e.id = i.event_id
                  LEFT JOIN bodies b ON b.id = e.body_id
                 WHERE i.scope = \(candidate.scope) AND i.day = \(identity.day) AND i.hash = \(identity.hash)
                """
            ) { row in (id: try row.text(), checksum: try row.optionalInteger()) }
            guard let original else { continue }
            originals[candidate.arrival] = originals[candidate.arrival] ?? original.id
            let differs = arrival.events.count == 1 && original.checksum != nil && original.checksum != arrival.checksum
            let count = try row(
                """
                UPDATE events
                   SET duplicates = duplicates + 1, last_duplicate_at = \(arrival.receivedAt),
                       last_duplicate_from = \(arrival.remote),
                       bytes_differed = CASE WHEN \(differs) = 1 THEN 1 ELSE bytes_differed END
                 WHERE id = \(original.id)
                RETURNING duplicates
                """
            ) { try $0.integer() }
            // On an event that is no longer kept nobody can count.
            if let count, count <= Self.repetitionsKept { lines.insert(candidate.arrival) }
        }
        return (originals, lines)
    }

    private func insertDeliveries(
        _ arrivals: [Arrival], _ numbers: [Int], whole: Set<Int>, firstEvents: [Candidate], originals: [Int: String]
    ) throws {
        var first = originals
        for candidate in firstEvents.reversed() { first[candidate.arrival] = candidate.event.id.text }
        try insert(
            """
            INSERT INTO deliveries (id, provider, app_id, received_at, verdict, reason, flags, method, target, headers,
                                    remote, size, body_id, event_id) VALUES
            """,
            numbers.map { number in
                let (arrival, isWhole) = (arrivals[number], whole.contains(number))
                return [
                    arrival.id.cell, .text(arrival.provider), arrival.app.cell, arrival.receivedAt.cell,
                    .text(isWhole ? "accepted" : "duplicate"), arrival.reason.cell, arrival.flags.cell,
                    .text(arrival.method), .blob(isWhole ? arrival.target : []), .blob(isWhole ? arrival.headers : []),
                    arrival.remote.cell, .integer(Int64(arrival.body.count)), isWhole ? arrival.id.cell : .null,
                    first[number].cell,
                ]
            })
    }
}

/// A delivery that was not believed, cut to what is kept of it.
public struct Rejection: Sendable {
    /// So much of a body that nobody vouches for is kept.
    public static let bodyMax = 4096

    public let id: ID<DeliveryKind>
    public let provider: String
    public let receivedAt: Timestamp
    public let code: String
    public let reason: String
    public let method: String
    public let target: [UInt8]
    public let headers: [UInt8]
    public let remote: String?
    /// Of the whole body as received.
    public let size: Int
    public let body: [UInt8]
    public let checksum: Int64

    public init(
        id: ID<DeliveryKind>, provider: String, receivedAt: Timestamp, code: String, reason: String, method: String,
        target: [UInt8], headers: [UInt8], remote: String?, size: Int, body: [UInt8], checksum: Int64
    ) {
        self.id = id
        self.provider = provider
        self.receivedAt = receivedAt
        self.code = code
        self.reason = reason
        self.method = method
        self.target = target
        self.headers = headers
        self.remote = remote
        self.size = size
        self.body = body
        self.checksum = checksum
    }
}

/// An event of a set on its way into the table, with its place in the set.
private struct Candidate {
    let arrival: Int
    let scope: String
    let event: ArrivingEvent

    /// The order of the unique index.
    var key: [UInt8] {
        Array(scope.utf8) + withUnsafeBytes(of: event.event.identity.day.bigEndian, Array.init)
            + event.event.identity.hash
    }
}
