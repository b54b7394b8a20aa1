public import Kit
public import Store

/// What the API does with endpoints.
public struct Endpoints: Sendable {
    /// How long an old secret signs beside its successor.
    public static let grace = Duration.hours(24)
    /// Changes queued by one transaction of a replay.
    private static let replayStep = 500
    /// Longer descriptions are no descriptions.
    private static let descriptionMax = 256

    private let database: any Database
    private let wire: any OutsideWire
    private let vault: any Sealing
    private let identifiers: Identifiers
    private let policy: AddressPolicy
    private let time: TimeSource
    private let changed: Bell
    private let program: String

    /// - Parameter changed: rung here so that this node's sender looks at once.
    public init(
        database: any Database, wire: any OutsideWire, vault: any Sealing, identifiers: Identifiers,
        policy: AddressPolicy, time: TimeSource, changed: Bell, program: String
    ) {
        self.database = database
        self.wire = wire
        self.vault = vault
        self.identifiers = identifiers
        self.policy = policy
        self.time = time
        self.changed = changed
        self.program = program
    }

    /// An endpoint that was made, and what its owner must be shown once.
    public struct Made: Sendable {
        public let endpoint: Endpoint
        public let secret: ShownSecret
    }

    /// A new secret: shown once, kept sealed.
    public struct ShownSecret: Sendable {
        /// `whsec_…`; nil where the endpoint's events are signed by a key pair.
        public let secret: Secret?
        /// `whpk_…`: what receivers verify with, no secret.
        public let publicKey: String?
    }

    // MARK: Making and changing

    /// Checks a wish and prepares everything; `Session.insert` makes it, within whatever transaction it belongs to.
    /// Ring `changed` afterwards.
    public func prepare(
        url: String, description: String? = nil, types: [String] = [], orderedBy: Endpoint.Order = .none,
        signedBy: Endpoint.Signing = .hmac
    ) throws -> (new: NewEndpoint, secret: ShownSecret) {
        let patch = EndpointPatch(url: url, description: .some(description), types: types)
        try check(patch)
        let id = identifiers.make(EndpointKind.self)
        let (kept, shown) = try newSecret(for: id, signedBy)
        let new = NewEndpoint(
            id: id, url: url, description: description, types: types, orderedBy: orderedBy, signedBy: signedBy,
            secret: kept, createdAt: time.now())
        return (new, shown)
    }

    /// `prepare` and `insert` in a transaction of their own.
    public func create(
        url: String, description: String? = nil, types: [String] = [], orderedBy: Endpoint.Order = .none,
        signedBy: Endpoint.Signing = .hmac
    ) async throws -> Made {
        let (new, secret) = try prepare(
            url: url, description: description, types: types, orderedBy: orderedBy, signedBy: signedBy)
        let endpoint = try await database.write("endpoints.create") { try $0.insert(new) }
        changed.ring()
        return Made(endpoint: endpoint, secret: secret)
    }

    /// - Throws: `BadEndpoint`, with one problem a field.
    public func check(_ patch: EndpointPatch) throws(BadEndpoint) {
        var problems: [Field] = []
        if let url = patch.url {
            do { _ = try policy.check(url) } catch { problems.append(Field("url", error.reason)) }
        }
        if let types = patch.types, let problem = EventPatterns.problem(with: types) {
            problems.append(Field("types", problem))
        }
        if let description = patch.description ?? nil, description.utf8.count > Self.descriptionMax {
            problems.append(Field("description", "\(description.utf8.count) bytes; at most \(Self.descriptionMax)."))
        }
        if patch.state == .failing { problems.append(Field("state", "Only active or disabled can be set.")) }
        guard problems.isEmpty else { throw BadEndpoint(problems: problems) }
    }

    /// - Throws: `BadEndpoint`, `StaleVersion`. Nil when there is no such endpoint.
    public func update(
        _ id: ID<EndpointKind>, _ patch: EndpointPatch, ifVersion version: Int64? = nil
    ) async throws -> Endpoint? {
        try check(patch)
        let now = time.now()
        let endpoint = try await database.write("endpoints.update") {
            try $0.update(id, patch, ifVersion: version, at: now)
        }
        changed.ring()
        return endpoint
    }

    public func delete(_ id: ID<EndpointKind>) async throws -> Bool {
        let deleted = try await database.write("endpoints.delete") { try $0.deleteEndpoint(id) }
        changed.ring()
        return deleted
    }

    /// A new secret signs at once; the old one signs too for `grace`.
    public func rotateSecret(of id: ID<EndpointKind>) async throws -> Made? {
        guard let old = try await database.read("endpoints.one", { try $0.endpoint(id) }) else { return nil }
        let (kept, shown) = try newSecret(for: id, old.signedBy)
        let until = time.now() + Self.grace
        let endpoint = try await database.write("endpoints.rotate") { try $0.rotate(to: kept, othersUntil: until) }
        changed.ring()
        return endpoint.map { Made(endpoint: $0, secret: shown) }
    }

    /// For whoever rotates within a transaction of its own: `Session.rotate(to:othersUntil:)`.
    public func newSecret(
        for id: ID<EndpointKind>, _ signing: Endpoint.Signing
    ) throws -> (kept: NewEndpointSecret, shown: ShownSecret) {
        let random = identifiers.bytes(StandardSignature.secretLength)
        let pair = signing == .ed25519 ? StandardSignature.keyPair(from: random) : nil
        let text = pair?.privateKey ?? StandardSignature.secret(from: random)
        let secretID = identifiers.make(EndpointSecretKind.self)
        let sealed = try vault.seal(Array(text.utf8), context: EndpointSigner.context(secretID, of: id))
        let kept = NewEndpointSecret(
            id: secretID, endpoint: id, sealed: sealed.bytes, keyID: sealed.keyID, publicKey: pair?.publicKey,
            createdAt: time.now())
        return (kept, ShownSecret(secret: pair == nil ? Secret(text) : nil, publicKey: pair?.publicKey))
    }

    // MARK: Sending again

    /// One change, whether it was delivered or not.
    public func resend(_ change: ID<ChangeKind>, to id: ID<EndpointKind>) async throws -> ResendAnswer {
        let now = time.now()
        let answer = try await database.set("endpoints.resend", in: .work) {
            try $0.resend(change, to: id, at: now)
        }
        changed.ring()
        return answer
    }

    /// Queues them in steps; each begins where the one before ended, so that a job can do them and be interrupted.
    ///
    /// - Parameters:
    ///   - after: `position` of the step before; nil at first.
    ///   - already: how many the steps before queued: the pace goes on from there.
    /// - Returns: nil when there is no such endpoint.
    public func recover(
        _ recovery: Recovery, at id: ID<EndpointKind>, after: Int64? = nil, already: Int = 0
    ) async throws -> ReplayStep? {
        let now = time.now()
        let due: @Sendable (Int) -> Timestamp = { max(now, recovery.pace?.due(already + $0) ?? now) }
        let step: ReplayStep?
        if recovery.what == .failed {
            step = try await database.set("endpoints.replay_failed", in: .maintenance) {
                try $0.replayFailed(at: id, in: recovery.time, after: after ?? 0, limit: Self.replayStep, due: due)
            }
        } else {
            guard let endpoint = try await database.read("endpoints.one", { try $0.endpoint(id) }) else { return nil }
            let patterns = EventPatterns(endpoint.types)
            step = try await database.set("endpoints.replay_made", in: .maintenance) { session in
                try session.replayMade(
                    at: id, in: recovery.time, takenToo: recovery.what == .all, after: after, limit: Self.replayStep,
                    due: due
                ) { patterns.match($0) }
            }
        }
        changed.ring()
        return step
    }

    /// How many changes it would queue, among the first `limit` that it would look at, and whether there are more.
    public static func count(
        _ recovery: Recovery, at endpoint: Endpoint, atMost limit: Int, in session: Session
    ) throws -> (count: Int, isMore: Bool) {
        if recovery.what == .failed {
            let count = try session.countFailed(at: endpoint, in: recovery.time, atMost: limit)
            return (min(count, limit), count > limit)
        }
        let patterns = EventPatterns(endpoint.types)
        return try session.countMade(
            at: endpoint, in: recovery.time, takenToo: recovery.what == .all, atMost: limit
        ) { patterns.match($0) }
    }

    /// How far a recovery has come.
    public struct Recovered: Sendable, Equatable {
        public let queued: Int
        /// Where to go on; nil when nothing is left.
        public let rest: Int64?
    }

    /// Some steps, for what a request does itself.
    public func recoverSome(
        _ recovery: Recovery, at id: ID<EndpointKind>, after: Int64? = nil, already: Int = 0, steps: Int = .max
    ) async throws -> Recovered? {
        var queued = already
        var position = after
        for _ in 0..<steps {
            guard let step = try await recover(recovery, at: id, after: position, already: queued) else { return nil }
            queued += step.queued
            position = step.position
            if step.isLast { return Recovered(queued: queued, rest: nil) }
        }
        return Recovered(queued: queued, rest: position ?? 0)
    }

    /// All steps. Answers how many changes were queued, those before included.
    public func recoverAll(
        _ recovery: Recovery, at id: ID<EndpointKind>, after: Int64? = nil, already: Int = 0
    ) async throws -> Int? {
        try await recoverSome(recovery, at: id, after: after, already: already)?.queued
    }

    /// Sends a test event now, once, and records the try. Nil when there is no such endpoint.
    public func test(_ id: ID<EndpointKind>) async throws -> Attempt? {
        let now = time.now()
        let found = try await database.read("endpoints.load") { session in
            try session.endpoint(id).map { ($0, try session.secrets(of: id, at: now)) }
        }
        guard let (endpoint, secrets) = found else { return nil }
        let signer = try EndpointSigner(opening: secrets, of: id, with: vault, program: program)
        let change = identifiers.make(ChangeKind.self)
        let data: JSON = ["endpoint_id": .string(id.text)]
        let body: JSON = ["type": "endpoint.test", "timestamp": .string(now.rfc3339), "data": data]
        let start = ContinuousClock.now
        let result: Result<WireAnswer, WireFailure>
        do {
            result = .success(try await wire.post(signer.request(body.bytes, id: change, to: endpoint.url, at: now)))
        } catch {
            result = .failure(error)
        }
        let attempt = Self.attempt(
            result, id: identifiers.make(), at: id, change: change, now, latency: start.duration(to: .now))
        try await database.set("endpoints.test", in: .work) { try $0.insert([attempt]) }
        return attempt
    }

    private static func attempt(
        _ result: Result<WireAnswer, WireFailure>, id: ID<AttemptKind>, at endpoint: ID<EndpointKind>,
        change: ID<ChangeKind>, _ now: Timestamp, latency: Duration
    ) -> Attempt {
        var answer: WireAnswer?
        var problem: String?
        switch result {
        case .success(let given): answer = given
        case .failure(let failure): problem = failure.sentence
        }
        let isSuccess = answer.map { (200..<300).contains($0.status) } ?? false
        return Attempt(
            id: id, endpoint: endpoint, position: 0, change: change, type: "endpoint.test", number: 1, at: now,
            latency: latency, outcome: isSuccess ? .delivered : .dead, status: answer.map { Int64($0.status) },
            problem: problem, answer: answer?.body, nextAt: nil)
    }
}

/// What is wrong with an endpoint that somebody wants: a sentence a field.
public struct BadEndpoint: Error, Sendable, Equatable {
    public let problems: [Field]
}
