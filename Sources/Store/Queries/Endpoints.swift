public import Kit

/// An address of the application that receives our outbound events: a cursor over the feed.
public struct Endpoint: Sendable, Equatable {
    /// Within what its events keep their order.
    public enum Order: String, Sendable, CaseIterable { case none, user, connection }
    public enum State: String, Sendable, CaseIterable { case active, failing, disabled }
    /// What its secrets are.
    public enum Signing: String, Sendable, CaseIterable { case hmac, ed25519 }

    public let id: ID<EndpointKind>
    public let url: String
    public let description: String?
    /// Patterns: `payment.failed`, `payment.*`, `*`. None means every type.
    public let types: [String]
    public let orderedBy: Order
    public let signedBy: Signing
    public let state: State
    public let stateReason: String?
    /// Up to here everything was sent, moved to `attempts_due` or did not match.
    public let position: Int64
    /// Of its settings; counted up by whoever changes them, secrets included.
    public let version: Int64
    public let createdAt: Timestamp
    public let updatedAt: Timestamp
    public let health: EndpointHealth
}

/// How an endpoint has fared: what its run writes with the attempts.
public struct EndpointHealth: Sendable, Equatable {
    /// The first failure after the last success; nil while it takes what it is sent.
    public var failingSince: Timestamp?
    public var lastSuccessAt: Timestamp?
    /// Nothing is sent before: the endpoint asked for it.
    public var pausedUntil: Timestamp
    /// How many warnings about the present failure were given.
    public var warned: Int64

    public init(
        failingSince: Timestamp? = nil, lastSuccessAt: Timestamp? = nil, pausedUntil: Timestamp = .zero,
        warned: Int64 = 0
    ) {
        self.failingSince = failingSince
        self.lastSuccessAt = lastSuccessAt
        self.pausedUntil = pausedUntil
        self.warned = warned
    }
}

/// An endpoint to be made, with its first secret.
public struct NewEndpoint: Sendable {
    public let id: ID<EndpointKind>
    public let url: String
    public let description: String?
    public let types: [String]
    public let orderedBy: Endpoint.Order
    public let signedBy: Endpoint.Signing
    public let secret: NewEndpointSecret
    public let createdAt: Timestamp

    public init(
        id: ID<EndpointKind>, url: String, description: String?, types: [String], orderedBy: Endpoint.Order,
        signedBy: Endpoint.Signing, secret: NewEndpointSecret, createdAt: Timestamp
    ) {
        self.id = id
        self.url = url
        self.description = description
        self.types = types
        self.orderedBy = orderedBy
        self.signedBy = signedBy
        self.secret = secret
        self.createdAt = createdAt
    }
}

/// What a person changes about an endpoint; nil leaves it as it is.
public struct EndpointPatch: Sendable {
    public var url: String?
    /// The inner nil removes it.
    public var description: String??
    public var types: [String]?
    public var orderedBy: Endpoint.Order?
    /// `active` starts again where the cursor stands; `disabled` stops.
    public var state: Endpoint.State?

    public init(
        url: String? = nil, description: String?? = nil, types: [String]? = nil, orderedBy: Endpoint.Order? = nil,
        state: Endpoint.State? = nil
    ) {
        self.url = url
        self.description = description
        self.types = types
        self.orderedBy = orderedBy
        self.state = state
    }
}

/// What a supervisor asks about every endpoint, each second.
public struct EndpointHead: Sendable {
    public let id: ID<EndpointKind>
    public let version: Int64
    public let state: Endpoint.State
    /// Who sends to it now.
    public let node: ID<NodeKind>?
    /// The first time at which something moved aside is due again.
    public let nextDueAt: Timestamp?

    public init(
        id: ID<EndpointKind>, version: Int64, state: Endpoint.State, node: ID<NodeKind>?, nextDueAt: Timestamp?
    ) {
        self.id = id
        self.version = version
        self.state = state
        self.node = node
        self.nextDueAt = nextDueAt
    }
}

extension Session {
    /// Makes an endpoint. It receives what happens from now on.
    @discardableResult
    public func insert(_ new: NewEndpoint) throws -> Endpoint {
        try run(
            """
            INSERT INTO endpoints (id, url, description, types, ordered_by, signed_by, state, position, version,
                                   created_at, updated_at)
            VALUES (\(new.id), \(new.url), \(new.description), \(new.types.joined(separator: " ")),
                    \(new.orderedBy.rawValue), \(new.signedBy.rawValue), 'active', \(try feedHead()), 1,
                    \(new.createdAt), \(new.createdAt))
            """)
        try insert(new.secret)
        guard let made = try endpoint(new.id) else { throw StoreError.damaged("endpoint \(new.id) is not there") }
        return made
    }

    /// - Parameter held: whether its row is held to the end of the transaction, for closures that decide on it.
    public func endpoint(_ id: ID<EndpointKind>, held: Bool = false) throws -> Endpoint? {
        try row(
            "SELECT \(Self.endpointColumns) FROM endpoints WHERE id = \(id) \(held ? dialect.forUpdate : "")",
            Self.endpoint)
    }

    /// Newest first, those before `before`.
    public func endpoints(before: ID<EndpointKind>? = nil, limit: Int) throws -> [Endpoint] {
        let older: SQL = before.map { "WHERE id < \($0)" } ?? ""
        return try rows(
            "SELECT \(Self.endpointColumns) FROM endpoints \(older) ORDER BY id DESC LIMIT \(limit)", Self.endpoint)
    }

    /// Changes settings. Nil when there is no such endpoint.
    ///
    /// - Throws: `StaleVersion` when `version` is not the one that the caller has seen.
    public func update(
        _ id: ID<EndpointKind>, _ patch: EndpointPatch, ifVersion version: Int64? = nil, at now: Timestamp
    ) throws -> Endpoint? {
        guard let old = try endpoint(id, held: true) else { return nil }
        if let version, version != old.version { throw StaleVersion(found: old.version) }
        let state = patch.state ?? old.state
        let begins = patch.state == .active && old.state != .active
        let reason = patch.state == .disabled ? "by hand" : begins ? nil : old.stateReason
        let health = begins ? EndpointHealth(lastSuccessAt: old.health.lastSuccessAt) : old.health
        try run(
            """
            UPDATE endpoints
               SET url = \(patch.url ?? old.url), description = \(patch.description ?? old.description),
                   types = \((patch.types ?? old.types).joined(separator: " ")),
                   ordered_by = \((patch.orderedBy ?? old.orderedBy).rawValue), state = \(state.rawValue),
                   state_reason = \(reason), failing_since = \(health.failingSince),
                   paused_until = \(health.pausedUntil), warned = \(health.warned),
                   version = version + 1, updated_at = \(now)
             WHERE id = \(id)
            """)
        return try endpoint(id)
    }

    /// Removes an endpoint with its secrets. What is left of it goes by `sweepEndpoints`.
    public func deleteEndpoint(_ id: ID<EndpointKind>) throws -> Bool {
        try run("DELETE FROM endpoint_secrets WHERE endpoint_id = \(id)")
        try run("DELETE FROM leases WHERE name = \(Self.endpointLease(id))")
        return try run("DELETE FROM endpoints WHERE id = \(id)") == 1
    }

    /// Removes what deleted endpoints left and secrets that have expired, at most `limit` rows. Answers how many went.
    public func sweepEndpoints(_ limit: Int, at now: Timestamp) throws -> Int {
        let secrets = try run("DELETE FROM endpoint_secrets WHERE expires_at < \(now)")
        let orphan = try row(
            """
            SELECT d.endpoint_id FROM attempts_due d
             WHERE NOT EXISTS (SELECT 1 FROM endpoints e WHERE e.id = d.endpoint_id)
             LIMIT 1
            """
        ) { try $0.text() }
        guard let orphan else { return secrets }
        return try secrets
            + run(
                """
                DELETE FROM attempts_due
                 WHERE endpoint_id = \(orphan)
                   AND position IN (SELECT position FROM attempts_due WHERE endpoint_id = \(orphan)
                                     ORDER BY position LIMIT \(limit))
                """)
    }

    /// Every endpoint that may be sent to, with who does it and when it next has to.
    public func endpointHeads(_ limit: Int) throws -> [EndpointHead] {
        try rows(
            """
            SELECT e.id, e.version, e.state, l.node,
                   (SELECT min(d.due_at) FROM attempts_due d WHERE d.endpoint_id = e.id AND d.held = 0)
              FROM endpoints e
              LEFT JOIN leases l ON l.name = 'endpoint:' || e.id
             WHERE e.state <> 'disabled'
             ORDER BY e.id
             LIMIT \(limit)
            """
        ) { row in
            EndpointHead(
                id: try row.id(), version: try row.integer(), state: try Self.read(row.text()),
                node: try row.optionalID(), nextDueAt: try row.optionalTime())
        }
    }

    /// The sessions that have not ended.
    public func liveNodes() throws -> [ID<NodeKind>] {
        try rows("SELECT id FROM nodes WHERE stopped_at IS NULL AND revoked_at IS NULL ORDER BY id LIMIT 1000") {
            try $0.id()
        }
    }

    static var endpointColumns: SQL {
        """
        id, url, description, types, ordered_by, signed_by, state, state_reason, position, version, created_at,
        updated_at, failing_since, last_success_at, paused_until, warned
        """
    }

    static func endpoint(_ row: inout Row) throws -> Endpoint {
        Endpoint(
            id: try row.id(), url: try row.text(), description: try row.optionalText(),
            types: try row.text().split(separator: " ").map(String.init), orderedBy: try read(row.text()),
            signedBy: try read(row.text()), state: try read(row.text()), stateReason: try row.optionalText(),
            position: try row.integer(), version: try row.integer(), createdAt: try row.time(),
            updatedAt: try row.time(),
            health: EndpointHealth(
                failingSince: try row.optionalTime(), lastSuccessAt: try row.optionalTime(),
                pausedUntil: try row.time(), warned: try row.integer()))
    }

    /// A word of a closed set, which the schema's checks hold to it.
    static func read<Word: RawRepresentable<String>>(_ text: String) throws -> Word {
        guard let word = Word(rawValue: text) else { throw StoreError.damaged("\(text) is no \(Word.self)") }
        return word
    }

    /// Which node sends to an endpoint.
    public static func endpointLease(_ id: ID<EndpointKind>) -> String { "endpoint:\(id)" }
}

/// Somebody else changed it meanwhile: 412.
public struct StaleVersion: Error, Equatable {
    public let found: Int64
}
