import Kit
public import Store

/// Erases an account because the platform asks for it in its owner's name: its connections and tokens at once, with all
/// that they find, then as a user is erased. The users who had connected it stay.
public struct AccountErasing: JobWorker {
    public static let kind = "account.erase"
    /// Why its connections ended.
    public static let reason = "erasure_asked_for"
    /// Bodies without events that are looked through for the account's id.
    private static let bodiesMax = 5000

    public var kind: String { Self.kind }
    private let erasing: UserErasing

    /// - Parameter erasing: what does the rest.
    public init(_ erasing: UserErasing) { self.erasing = erasing }

    /// What is kept with the request for it, in the same commit.
    static func asked(
        by event: Event, _ id: ID<EventKind>, of account: String, at provider: String, _ ids: Identifiers,
        receivedAt: Timestamp
    ) -> NewAccountErasure {
        let erasure = ids.make(ErasureKind.self)
        let hash = ErasedName(account: account, at: provider).hash
        let who = String(decoding: Hex.encode(hash.prefix(12)), as: UTF8.self)
        return NewAccountErasure(
            id: erasure, event: id, provider: provider, who: who, code: SignedCallback.code(of: event), at: receivedAt,
            job: NewJob(
                id: ids.make(), kind: kind, lane: UserErasing.lane, dueAt: receivedAt, createdAt: receivedAt,
                input: Array(erasure.text.utf8), subject: erasure.text),
            audit: NewAudit(
                id: ids.make(), at: receivedAt, actor: "platform:\(provider)", action: "account.erasure_begun",
                subject: erasure.text, detail: ["account": .string(who)]))
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let erasure = try await erasing.database.read("erasure") { session -> ErasureRow? in
            try ID<ErasureKind>(String(decoding: job.input, as: UTF8.self)).flatMap(session.erasure)
        }
        guard let erasure, let provider = erasure.provider, let event = erasure.event else {
            throw JobInterruption.hopeless("The job names no erasure of an account.")
        }
        // The walk erases the request last of all that this names: without it the links are gone already.
        let request = try await erasing.database.read("erasure_request") { try $0.event(event) }
        if let request, let account = request.account {
            while try await unlink(account, at: provider, request, erasure, job) {}
        }
        return try await erasing.run(job)
    }

    /// One transaction's worth of connections. True where there may be more.
    private func unlink(
        _ account: String, at provider: String, _ request: StoredEvent, _ erasure: ErasureRow, _ job: ClaimedJob
    ) async throws -> Bool {
        let bodies = try await erasing.database.read("erasure_bodies") {
            try $0.bodiesNaming([account], limit: Self.bodiesMax)
        }
        let (now, ids) = (erasing.time.now(), erasing.ids)
        let news = (0..<Session.linksMax).map { _ in ConnectionNews(ids) }
        return try await erasing.database.write("erase_links", in: .work) { session in
            try session.hold(job)
            let erased = try session.eraseLinks(
                to: account, at: provider, through: request.app, before: request.occurredAt ?? request.receivedAt,
                bodies: bodies, for: erasure.id, reason: Self.reason, at: now
            ) { number, row in
                try news[number].revoked(row, reason: Self.reason, in: session, at: now)
            }
            guard let row = try session.erasure(erasure.id) else {
                throw StoreError.damaged("the erasure \(erasure.id)")
            }
            var counts = ErasureCounts(row.counts)
            counts.add(erased.rows)
            try session.advance(erasure.id, to: row.position, counts: counts.text)
            try session.setState("applied", of: request.id, at: now)
            return !erased.ended.isEmpty
        }
    }

}
