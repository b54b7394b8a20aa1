public import Kit

/// An erasure that is asked for.
public struct NewErasure: Sendable {
    public let id: ID<ErasureKind>
    public let user: String
    public let who: String
    public let askedBy: String
    public let at: Timestamp
    /// Bodies without events that name the user (`bodiesNaming`).
    public let bodies: [String]

    public init(id: ID<ErasureKind>, user: String, who: String, askedBy: String, at: Timestamp, bodies: [String]) {
        self.id = id
        self.user = user
        self.who = who
        self.askedBy = askedBy
        self.at = at
        self.bodies = bodies
    }
}

/// How far a walk over the events has come.
public struct ErasedStep: Sendable {
    public var events = 0
    public var bodies = 0
    public var changes = 0
    /// The last event that was looked at; nil where there was none.
    public var last: String?
    /// Whether events are left.
    public var hasMore = false
}

extension Session {
    /// Erases at once what is found by the user's own keys, and notes the names, so that nothing of it comes back.
    /// What is found by looking at every event follows (`eraseEvents`).
    ///
    /// - Returns: how many rows of what; nil when there is no such user.
    public func erase(_ new: NewErasure) throws -> [(what: String, rows: Int)]? {
        guard
            try row("SELECT 1 FROM users WHERE id = \(new.user) \(dialect.forUpdate)", { try $0.integer() }) != nil
        else { return nil }
        return try overwriting {
            let customers = try rows(
                """
                SELECT provider, customer FROM customers
                 WHERE user_id = \(new.user) ORDER BY provider, customer \(dialect.forUpdate)
                """
            ) { row in CustomerName(provider: try row.text(), customer: try row.text()) }
            try run(
                """
                INSERT INTO erasures (id, who, state, asked_by, asked_at, position, counts)
                VALUES (\(new.id), \(new.who), 'running', \(new.askedBy), \(new.at), '', '{}')
                """)
            let names =
                customers.map { ErasedName(customer: $0.customer, at: $0.provider) }
                + (try ownAccounts(of: new.user).map { ErasedName(account: $0.account, at: $0.provider) })
            try note([ErasedName(user: new.user)] + names, of: new.id, at: new.at)
            let calls = try forgetCallers(new.user)
            let told = try eraseWhatWasTold(about: new.user, customers)
            let rows = try eraseRows(of: new.user, at: new.at)
            return rows + [
                ("calls", calls),
                ("changes", told), ("bodies", try removeBodies(new.bodies, at: new.at)), ("customers", customers.count),
                ("users", try run("DELETE FROM users WHERE id = \(new.user)")),
            ]
        }
    }

    /// Accounts that nobody else is connected to: with this user all that is known of them goes.
    public func ownAccounts(of user: String) throws -> [(provider: String, account: String)] {
        try rows(
            """
            SELECT DISTINCT t.provider, t.open_id FROM oauth_accounts t
             WHERE t.user_id = \(user) AND t.deleted_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM oauth_accounts o
                                WHERE o.provider = t.provider AND o.open_id = t.open_id AND o.deleted_at IS NULL
                                  AND o.user_id <> t.user_id)
             ORDER BY t.provider, t.open_id
            """
        ) { row in (try row.text(), try row.text()) }
    }

    /// Calls stay, so that what a platform was asked stays countable; for whom they were is forgotten.
    private func forgetCallers(_ user: String) throws -> Int {
        try run(
            """
            UPDATE calls SET user_id = NULL, connection_id = NULL
             WHERE connection_id IN (SELECT id FROM oauth_accounts WHERE user_id = \(user)) AND user_id IS NULL
            """)
            + run("UPDATE calls SET user_id = NULL, connection_id = NULL WHERE user_id = \(user)")
            + run("UPDATE calls SET subject = NULL WHERE subject = \(user)")
    }

    private func eraseRows(of user: String, at now: Timestamp) throws -> [(what: String, rows: Int)] {
        try run(
            """
            DELETE FROM alerts
             WHERE kind = 'subscription_unclear' AND subject IN (SELECT id FROM subscriptions WHERE user_id = \(user))
            """)
        try run("DELETE FROM customers WHERE user_id = \(user)")
        try forgetBulkRuns(naming: user)
        return [
            ("publications", try erasePublications(where: "user_id = \(user)")),
            (
                "objects",
                try run(
                    """
                    UPDATE objects SET deleting_at = \(now), user_id = NULL, name = NULL, key = NULL
                     WHERE user_id = \(user)
                    """)
            ),
            ("uploads", try run("DELETE FROM uploads WHERE user_id = \(user)")),
            ("connections", try eraseConnections(of: user, at: now)),
            ("subscriptions", try run("DELETE FROM subscriptions WHERE user_id = \(user)")),
            ("payment_methods", try run("DELETE FROM payment_methods WHERE user_id = \(user)")),
            (
                "payments",
                try run(
                    "UPDATE payments SET user_id = NULL, customer = NULL, problem = NULL WHERE user_id = \(user)")
            ),
        ]
    }

    /// Their tokens, sealed, wait until the platform has taken them back; nothing else may use them.
    private func eraseConnections(of user: String, at now: Timestamp) throws -> Int {
        let mine: SQL = "SELECT id FROM oauth_accounts WHERE user_id = \(user)"
        try run(
            """
            UPDATE credentials SET revoking_at = \(now), refresh_at = NULL, attempt_node = NULL
             WHERE id IN (\(mine)) AND revoking_at IS NULL
            """)
        try run("DELETE FROM alerts WHERE subject IN (\(mine))")
        try run("DELETE FROM sync_cursors WHERE sync_id IN (SELECT id FROM syncs WHERE connection_id IN (\(mine)))")
        try run("DELETE FROM syncs WHERE connection_id IN (\(mine))")
        try forgetReconciliations("SELECT id FROM reconciliations WHERE connection_id IN (\(mine)) ORDER BY id")
        let sessions: SQL = "SELECT id FROM connect_sessions WHERE user_id = \(user)"
        try run("DELETE FROM connect_attempts WHERE session_id IN (\(sessions))")
        try run("DELETE FROM connect_sessions WHERE user_id = \(user)")
        return try run("DELETE FROM oauth_accounts WHERE user_id = \(user)")
    }

    /// Changes, what waits to be sent of them, reviews.
    private func eraseWhatWasTold(about user: String, _ customers: [CustomerName]) throws -> Int {
        let payments = try rows(
            """
            SELECT id FROM payments WHERE user_id = \(user)
             UNION ALL SELECT id FROM oauth_accounts WHERE user_id = \(user)
             UNION ALL SELECT publication_id FROM publication_targets WHERE user_id = \(user)
            """
        ) { try $0.text() }
        let subjects = customers.map(\.subject)
        var reviews: [String] = []
        if !subjects.isEmpty {
            reviews = try rows(
                """
                UPDATE reviews
                   SET state = 'decided', subject = 'erased', question = 'It was about a user who was erased.',
                       evidence = '{}', note = NULL, decision = coalesce(decision, 'dismiss'),
                       decided_by = coalesce(decided_by, 'erasure'), decided_at = coalesce(decided_at, opened_at)
                 WHERE kind = 'event_without_user' AND subject IN (\(SQL.list(subjects)))
                RETURNING id
                """
            ) { try $0.text() }
        }
        try run(
            """
            DELETE FROM attempts_due
             WHERE endpoint_id IN (SELECT id FROM endpoints) AND ordering_key = \(user)
            """)
        let dropped = try rows(
            """
            SELECT seq, payload FROM changes
             WHERE subject IN (SELECT id FROM endpoints WHERE ordered_by = 'user')
               AND type = 'endpoint.change_dropped'
            """
        ) { row in (seq: try row.integer(), payload: try row.blob()) }
        .filter { (try? JSON.parse($0.payload))?["ordering_key"]?.text?.hasSameBytes(as: user) ?? true }
        return try eraseChanges(about: [user] + payments + reviews)
            + (try blank(dropped.map { (seq: $0.seq, id: "") }))
    }

    // MARK: Events

    /// Looks at the next `window` events and erases those about someone who was erased, at most `most`: their bytes,
    /// what the platform answered, what was told of them. Their ids, types and times stay.
    public func eraseEvents(after last: String, window: Int, most: Int, at now: Timestamp) throws -> ErasedStep {
        let seen = try rows(
            """
            SELECT id, provider, account, subject, user_id, body_id, body_offset, body_length FROM events
             WHERE id > \(last) ORDER BY id LIMIT \(window)
            """
        ) { row in
            Seen(
                id: try row.text(), provider: try row.text(), account: try row.optionalText(),
                subject: try row.optionalText(), user: try row.optionalText(),
                body: BodyRange(
                    body: try row.text(), offset: Int(try row.integer()), length: Int(try row.integer())))
        }
        let erased = try erased(among: Array(Set(seen.flatMap(\.names))))
        let found = seen.filter { $0.names.contains { erased[$0] != nil } }.prefix(most)
        var step = ErasedStep()
        (step.last, step.hasMore) =
            found.count == most ? (found.last?.id, true) : (seen.last?.id, seen.count == window)
        try overwriting {
            for event in found {
                let isAccount = event.accountName.map { erased[$0] != nil } ?? false
                let (bodies, changes) = try eraseEvent(
                    ID(stored: event.id), event.body, isAccountErased: isAccount, at: now)
                step.events += 1
                step.bodies += bodies
                step.changes += changes
            }
        }
        return step
    }

    /// Erases one event that came about someone who was erased.
    public func eraseEvent(_ event: StoredEvent, at now: Timestamp) throws {
        let account = event.account.map { ErasedName(account: $0, at: event.provider) }
        let isAccount = try account.map { try !erased(among: [$0]).isEmpty } ?? false
        _ = try overwriting { try eraseEvent(event.id, event.range, isAccountErased: isAccount, at: now) }
    }

    /// Notes customers of whom an event says that they are someone who was erased.
    public func noteErased(_ customer: CustomerName, like name: ErasedName, at now: Timestamp) throws {
        guard let noted = try erased(among: [name])[name] else { return }
        try note([ErasedName(customer: customer.customer, at: customer.provider)], of: noted.erasure, at: now)
    }

    /// - Parameter isAccountErased: else its account is another's: the business's own, or one that others share.
    private func eraseEvent(
        _ id: ID<EventKind>, _ range: BodyRange, isAccountErased: Bool, at now: Timestamp
    ) throws -> (bodies: Int, changes: Int) {
        try run(
            """
            UPDATE events
               SET user_id = NULL, subject = NULL, connection_id = NULL,
                   account = \(isAccountErased ? "NULL" as SQL : "account"), state = 'ignored',
                   state_reason = 'Its user was erased.', state_at = \(now)
             WHERE id = \(id)
            """)
        try run("DELETE FROM fetched WHERE event_id = \(id)")
        try dropEventTerms(of: [id.text])
        try dismissUnreadable([id.text], at: now)
        let bodies = try eraseBytes(range, at: now)
        return (bodies, try eraseChanges(about: [id.text]))
    }

    /// A body that is nothing else goes; of one that holds other facts, too, this one becomes blanks. One that cannot
    /// be read is of use to nobody, and goes, too.
    private func eraseBytes(_ range: BodyRange, at now: Timestamp) throws -> Int {
        let body = try row("SELECT bytes, encoding FROM bodies WHERE id = \(range.body) \(dialect.forUpdate)") {
            try $0.optionalStoredBytes()
        }
        guard let readable = body else { return 0 }
        guard var bytes = readable else { return try removeBodies([range.body], at: now) }
        let end = min(range.offset + range.length, bytes.count)
        guard range.offset > 0 || end < bytes.count, range.offset < end else {
            return try removeBodies([range.body], at: now)
        }
        bytes.replaceSubrange(range.offset..<end, with: repeatElement(0x20, count: end - range.offset))
        let form = try form(of: bytes)
        return try run(
            """
            UPDATE bodies
               SET bytes = \(form.bytes), encoding = \(form.encoding), key_id = \(form.keyID),
                   checksum = \(Checksum.of(bytes))
             WHERE id = \(range.body)
            """)
    }

    /// What stood there waits for nobody any more: a body has the id of its delivery.
    func removeBodies(_ ids: [String], at now: Timestamp) throws -> Int {
        guard !ids.isEmpty else { return 0 }
        try dismissUnreadable(ids, at: now)
        return try run("DELETE FROM bodies WHERE id IN (\(SQL.list(ids)))")
    }

    /// Of events that could not be applied, and of deliveries in which nothing could be read.
    private func dismissUnreadable(_ subjects: [String], at now: Timestamp) throws {
        try run(
            """
            UPDATE reviews
               SET state = 'decided', decision = 'dismiss', decided_by = 'erasure', decided_at = \(now)
             WHERE kind = 'unreadable_delivery' AND subject IN (\(SQL.list(subjects))) AND state <> 'decided'
            """)
    }

    // MARK: What was told

    func eraseChanges(about subjects: [String]) throws -> Int {
        var count = 0
        for start in stride(from: 0, to: subjects.count, by: 200) {
            let part = Array(subjects[start..<min(start + 200, subjects.count)])
            let found = try rows("SELECT seq, id FROM changes WHERE subject IN (\(SQL.list(part)))") { row in
                (seq: try row.integer(), id: try row.text())
            }
            count += try blank(found)
        }
        return count
    }

    /// A change keeps its place in the feed, which has no gaps, and says nothing any more.
    private func blank(_ changes: [(seq: Int64, id: String)]) throws -> Int {
        guard !changes.isEmpty else { return 0 }
        let seqs = SQL.list(changes.map(\.seq))
        try run(
            """
            UPDATE changes
               SET type = 'change.erased', subject = NULL, user_id = NULL, connection_id = NULL, version = 0,
                   payload = \(Array("{}".utf8)), body_id = NULL, body_offset = NULL, body_length = NULL
             WHERE seq IN (\(seqs))
            """)
        try run(
            """
            DELETE FROM attempts_due
             WHERE endpoint_id IN (SELECT id FROM endpoints)
               AND position IN (SELECT position FROM feed WHERE seq IN (\(seqs)))
            """)
        try run(
            "UPDATE attempts SET answer = NULL, problem = NULL WHERE change_id IN (\(SQL.list(changes.map(\.id))))")
        return changes.count
    }

    // MARK: Bodies without events

    /// Bodies that belong to no event (not believed, or not readable) and hold one of these texts, or anything: what is
    /// damaged may name anybody.
    public func bodiesNaming(_ texts: [String], limit: Int) throws -> [String] {
        let needles = texts.map { Array($0.utf8) }.filter { $0.count >= Self.needleMin }
        guard !needles.isEmpty else { return [] }
        let bodies = try rows(
            """
            SELECT b.id, b.bytes, b.encoding
              FROM deliveries d
              JOIN bodies b ON b.id = d.body_id
             WHERE d.verdict = 'rejected'
                OR d.id IN (SELECT subject FROM reviews WHERE kind = 'unreadable_delivery')
             ORDER BY d.id DESC
             LIMIT \(limit)
            """
        ) { row in (id: try row.text(), bytes: try row.optionalStoredBytes()) }
        return bodies.filter { body in
            body.bytes.map { bytes in needles.contains { bytes.firstRange(of: $0) != nil } } ?? true
        }.map(\.id)
    }
    /// Shorter texts are found in everything.
    private static var needleMin: Int { 6 }

    /// Whatever is deleted within is overwritten on SQLite: usually what lies in pages that become free is left there.
    func overwriting<Value>(_ work: () throws -> Value) throws -> Value {
        guard dialect.engine == .sqlite else { return try work() }
        _ = try rows("PRAGMA secure_delete = ON") { _ in }
        let result: Result<Value, any Error> = Result { try work() }
        _ = try rows("PRAGMA secure_delete = FAST") { _ in }
        return try result.get()
    }
}

/// An event as the walk over all of them looks at it.
private struct Seen {
    let id: String
    let provider: String
    let account: String?
    let subject: String?
    let user: String?
    let body: BodyRange

    var accountName: ErasedName? { account.map { ErasedName(account: $0, at: provider) } }
    var names: [ErasedName] {
        (accountName.map { [$0] } ?? []) + (user.map { [ErasedName(user: $0)] } ?? [])
            + (subject.map { [ErasedName(customer: $0, at: provider)] } ?? [])
    }
}
