public import Kit
public import Logging
public import Store

/// Takes one target of a publication as far as it goes: its platform's steps, and what they mean to the target.
public struct PublicationWorker: JobWorker {
    public static let kind = "publication.target"
    public static let review = "unknown_outcome"
    public static let lateReview = "late_publication"
    /// What was planned for nine is no longer wanted at noon by itself.
    public static let usualLateMax = Duration.hours(1)
    /// While somebody is asked, it is looked at again.
    private static let askedPeriod = Duration.days(1)
    /// What has left and cannot be looked at, since the account must be connected again, is looked at again; so long
    /// after it left a person is asked instead.
    private static let (unseenPeriod, unseenMax) = (Duration.minutes(10), Duration.hours(24))

    public var kind: String { Self.kind }
    private let publishing: Publishing
    private let caller: ConnectionCaller
    private let database: any Database
    private let vault: Vault
    private let ids: Identifiers
    private let time: TimeSource
    private let bells: Bells
    private let logger: Logger
    private let lateMax: Duration

    /// - Parameter lateMax: a planned target that could not begin within so long of its time is asked about.
    public init(
        _ publishing: Publishing, caller: ConnectionCaller, database: any Database, vault: Vault, ids: Identifiers,
        time: TimeSource, bells: Bells, logger: Logger, lateMax: Duration = usualLateMax
    ) {
        self.lateMax = lateMax
        self.publishing = publishing
        self.caller = caller
        self.database = database
        self.vault = vault
        self.ids = ids
        self.time = time
        self.bells = bells
        self.logger = logger
    }

    /// All that a run reads.
    private struct Case: Sendable {
        let target: TargetRow
        let publication: PublicationRow
        let work: WorkRow
        let connection: ConnectionRow?
        var post: Post
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let id = ID<TargetKind>(String(decoding: job.input, as: UTF8.self)) else {
            throw JobInterruption.hopeless("The job names no target.")
        }
        let found = try await database.read("publication_case") { session -> Case? in
            guard let target = try session.target(id), let work = try session.work(id.text),
                let publication = try session.publication(target.publication)
            else { return nil }
            return Case(
                target: target, publication: publication, work: work,
                connection: try session.connection(target.connection),
                post: try session.post(of: publication, for: target))
        }
        guard var found else { return .cancelled(reason: "The target is over, or gone.") }
        found.post = publishing.addressed(found.post, for: found.target, at: time.now())
        guard let publisher = publishing.publisher(found.target.provider) else {
            return try await stop(Failure(.refused, "The platform is not known here."), found, job)
        }
        return try await run(found, by: publisher, job)
    }

    private func run<P: Publisher>(_ found: Case, by publisher: P, _ job: ClaimedJob) async throws -> JobResult {
        // Decoding never fails a job: a newer program reads what this one cannot.
        guard found.work.kind == P.Publishing.kind, found.work.version <= P.Publishing.version else {
            throw JobInterruption.later(
                at: time.now() + .minutes(1),
                reason: "These steps are \(found.work.kind) \(found.work.version); a newer Patchbay knows them.")
        }
        guard let connection = found.connection, connection.deletedAt == nil else {
            return try await stop(Failure(.notFound, "The connection is gone.", who: .you), found, job)
        }
        if try await asksBecauseLate(found, job) {
            throw JobInterruption.postponed(until: time.now() + Self.askedPeriod)
        }
        let target = found.target
        if let hold = Self.hold(connection, at: time.now()) { return try await settle(held: hold, found, job) }
        var runner = StepRunner<P.Publishing>(
            database: database, vault: vault, time: time, caller: caller, errand: errand(found, connection),
            subject: found.post, job: job,
            pause: { session, now, locks in
                let row = locks ? try session.holdConnection(connection.id) : try session.connection(connection.id)
                return row.flatMap { Self.hold($0, at: now) }
            }
        ) { [ids] in
            let news = PublicationNews(ids)
            return { session, state, now in try Self.note(state.shown, of: target.id, news, in: session, at: now) }
        }
        runner.leaving = presigning(found)
        let ending = try await runner.run(found.work)
        bells.written.ring()
        return try await settle(ending, found, job)
    }

    /// Addresses that let the platform in are in the audit log when they leave: one that never did was nobody's.
    private func presigning(_ found: Case) -> @Sendable () -> @Sendable (Session, Timestamp) throws -> Void {
        let objects = found.post.media.compactMap { medium -> ID<ObjectKind>? in
            if case .object(let id) = medium.place, medium.address != nil { id } else { nil }
        }
        let (actor, detail): (String, JSON) = (found.publication.createdBy, ["target_id": JSON(found.target.id)])
        return { [ids] in
            let entries = objects.map { ($0, ids.make(AuditKind.self)) }
            return { session, now in
                for (object, id) in entries {
                    try session.audit(
                        NewAudit(
                            id: id, at: now, actor: actor, action: "object.presigned", subject: object.text,
                            detail: detail))
                }
            }
        }
    }

    /// Where somebody holds a connection back, what is to be done with it waits.
    private static func hold(_ connection: ConnectionRow, at now: Timestamp) -> Hold? {
        let why: String
        switch connection.state {
        case .paused: why = "is paused"
        case .pending: why = "waits to be confirmed"
        case .active, .refreshing, .suspect, .needsReconnect, .revoked: return nil
        }
        return Hold(
            until: now + Connections.heldPause, gate: .connection(connection.id.text), reason: "The connection \(why).")
    }

    private func errand(_ found: Case, _ connection: ConnectionRow) -> ConnectionCaller.Errand {
        // Somebody who publishes now waits for it; what was planned does not.
        let priority: Priority = found.publication.publishAt == nil ? .person : .publishing
        return ConnectionCaller.Errand(
            connection: connection.id.text, account: connection.openID, userID: connection.userID,
            app: connection.app.text, provider: connection.provider, purpose: "publication",
            claimant: Claimant("publishing \(connection.id)", priority), subject: found.target.id.text)
    }

    /// A state was saved: shown on the target, told where it is another than before.
    private static func note(
        _ stage: PostStage, of id: ID<TargetKind>, _ news: PublicationNews, in session: Session, at now: Timestamp
    ) throws {
        guard let before = try session.holdTarget(id) else { return }
        let note = TargetNote(stage)
        try session.note(note, of: id, at: now)
        guard note.state != before.state, let fresh = try session.target(id) else { return }
        try news.tell(fresh, in: session, at: now)
        try session.touch(fresh.publication, at: now)
    }

    // MARK: Ends

    private func settle<State: PublishingSteps>(
        _ ending: StepEnd<State>, _ found: Case, _ job: ClaimedJob
    ) async throws -> JobResult {
        switch ending {
        case .finished(let outcome, let state):
            var note = TargetNote(outcome)
            note.reason = note.reason ?? state.shown.reason
            note.remoteID = state.shown.remoteID
            note.sent = state.shown.sent
            return try await end(found, job, note)
        case .failed(let failure): return try await end(found, job, TargetNote(failure))
        case .unseen(let failure): return try await unseen(failure, found, job)
        case .unclear(let unclear): return try await ask(unclear, found, job)
        case .waits(let until): throw JobInterruption.postponed(until: until)
        case .held(let hold): return try await settle(held: hold, found, job)
        case .failing(let failure, let hasLeft): return try await tryAgain(failure, hasLeft: hasLeft, found, job)
        case .gone: return .cancelled(reason: "Somebody has ended it meanwhile.")
        }
    }

    /// Nothing can be asked any more: it has failed, unless it has left.
    private func stop(_ failure: Failure, _ found: Case, _ job: ClaimedJob) async throws -> JobResult {
        guard found.work.finalAt != nil else { return try await end(found, job, TargetNote(failure)) }
        return try await unseen(failure, found, job)
    }

    private func settle(held hold: Hold, _ found: Case, _ job: ClaimedJob) async throws -> JobResult {
        try await wait(found, job, why: hold.reason, until: hold.until)
        throw JobInterruption.postponed(until: hold.until)
    }

    private func tryAgain(
        _ failure: Failure, hasLeft: Bool, _ found: Case, _ job: ClaimedJob
    ) async throws -> JobResult {
        let now = time.now()
        let usual = retries.pause(after: job.attempt, failingFor: now - (job.firstFailedAt ?? now), chance: ids.unit())
        guard let usual else {
            return hasLeft ? try await unseen(failure, found, job) : try await end(found, job, TargetNote(failure))
        }
        let due = now + max(usual, failure.retryAfter ?? .zero)
        try await wait(found, job, why: failure.message, code: failure.code, who: failure.who.rawValue, until: due)
        throw JobInterruption.later(at: due, reason: failure.message)
    }

    /// It has left and cannot be taken back, and what became of it cannot be looked up: that is no failure. What the
    /// platform has told by itself counts; an account may yet be connected again; else a person must look.
    private func unseen(_ failure: Failure, _ found: Case, _ job: ClaimedJob) async throws -> JobResult {
        let (now, id) = (time.now(), found.target.id)
        let fresh = try await database.read("publication_unseen") { (try $0.target(id), try $0.work(id.text)) }
        guard let target = fresh.0, let work = fresh.1 else {
            return .cancelled(reason: "Somebody has ended it meanwhile.")
        }
        // Only an id, or who sees it, was still to be asked for.
        guard target.state.isLive else { return try await end(found, job, TargetNote(target.state)) }
        if let told = target.told { return try await end(found, job, TargetNote(told)) }
        // Its answer may yet come, from a process that is gone or stands still.
        if let until = work.askedUntil, until > now { throw JobInterruption.postponed(until: until) }
        if failure.kind == .unauthorized, now < (work.finalAt ?? now) + Self.unseenMax {
            let next = now + Self.unseenPeriod
            try await wait(
                found, job, why: failure.message, code: failure.code, who: failure.who.rawValue,
                next: "It has left. What became of it is looked up when the account is connected again.", until: next)
            throw JobInterruption.postponed(until: next)
        }
        let name = publishing.publisher(target.provider)?.about.name ?? target.provider
        return try await ask(
            Unclear(
                "It has left for \(name), and nobody can look up what became of it. Is it on the account?",
                [
                    .init("problem", .string(failure.message)), .init("code", JSON(failure.code)),
                    .init("status", JSON(target.remoteStatus)),
                ]), found, job)
    }

    /// It goes on later: shown with the reason. It stays in the state that it has reached.
    private func wait(
        _ found: Case, _ job: ClaimedJob, why: String, code: String? = nil, who: String? = nil,
        next: String = "It goes on by itself.", until: Timestamp
    ) async throws {
        let (now, id) = (time.now(), found.target.id)
        try await database.set("publication_waits", in: .work) { session in
            try session.hold(job)
            guard let held = try session.holdTarget(id), held.state.isLive else { return }
            var note = TargetNote(held.state == .scheduled ? .waiting : held.state)
            (note.reason, note.code, note.who, note.nextAction, note.nextAt) = (why, code, who, next, until)
            guard held.reason != why || held.state != note.state else { return }
            try session.note(note, of: id, at: now)
        }
    }

    /// The end of a target: its state, its work, what is told, and the job, in one transaction.
    private func end(_ found: Case, _ job: ClaimedJob, _ note: TargetNote) async throws -> JobResult {
        let (now, news, target) = (time.now(), PublicationNews(ids), found.target)
        try await database.set("publication_ends", in: .work) { session in
            try session.hold(job)
            try Self.finish(target.id, note, news, in: session, at: now)
            try session.succeed(job, at: now)
        }
        bells.written.ring()
        logger.info(
            "publication.ended", metadata: ["target": "\(target.id)", "state": "\(note.state.rawValue)"])
        return .committed
    }

    static func finish(
        _ id: ID<TargetKind>, _ note: TargetNote, _ news: PublicationNews, in session: Session, at now: Timestamp
    ) throws {
        guard let before = try session.holdTarget(id) else { return }
        try session.endWork(id.text)
        try session.note(note, of: id, at: now)
        guard before.state != note.state, let fresh = try session.target(id) else { return }
        try session.touch(fresh.publication, at: now)
        try news.tell(fresh, in: session, at: now)
    }

    /// Whether its time is over for so long that a person decides: nobody was here to begin it, say.
    private func asksBecauseLate(_ found: Case, _ job: ClaimedJob) async throws -> Bool {
        let (now, target) = (time.now(), found.target)
        guard target.state == .scheduled, let planned = found.publication.publishAt, now - planned > lateMax else {
            return false
        }
        let evidence: JSON = [
            "publication_id": JSON(target.publication), "connection_id": JSON(target.connection),
            "account_id": .string(target.account), "publish_at": JSON(planned), "title": JSON(found.post.title),
        ]
        let review = NewReview(
            id: ids.make(), kind: Self.lateReview, subject: target.id.text,
            question: "Its time was \(planned). Nothing of it has left. Send it now?",
            evidence: String(decoding: evidence.bytes, as: UTF8.self), choices: ["send_now", "cancel"],
            provider: target.provider, openedAt: now, changeID: ids.make())
        try await database.set("publication_late", in: .work) { session in
            try session.hold(job)
            guard let held = try session.holdTarget(target.id), held.state == .scheduled,
                try !session.hasOpenReview(Self.lateReview, of: target.id)
            else { return }
            var note = TargetNote(.scheduled)
            (note.reason, note.who, note.nextAction, note.nextAt) = (
                "It is late: it could not begin at its time.", Failure.Actor.you.rawValue,
                "Decide whether it is still to be sent, or move it.", planned
            )
            try session.note(note, of: target.id, at: now)
            try session.open(review)
            try session.touch(target.publication, at: now)
        }
        bells.written.ring()
        return true
    }

    /// Nobody knows: a person must look. The steps stay as they are until then.
    private func ask(_ unclear: Unclear, _ found: Case, _ job: ClaimedJob) async throws -> JobResult {
        let (now, news, id) = (time.now(), PublicationNews(ids), found.target.id)
        // What this run has saved belongs to it.
        let fresh = try await database.read("publication_evidence") { (try $0.target(id), try $0.work(id.text)) }
        let (target, work) = (fresh.0 ?? found.target, fresh.1 ?? found.work)
        let evidence: [JSONMember] = [
            .init("publication_id", JSON(target.publication)), .init("connection_id", JSON(target.connection)),
            .init("account_id", .string(target.account)),
            .init("asked_at", JSON(work.askedAt ?? work.finalAt ?? now)),
            .init("provider_post", JSON(target.remoteID)), .init("title", JSON(found.post.title)),
        ]
        let review = NewReview(
            id: ids.make(), kind: Self.review, subject: target.id.text, question: unclear.question,
            evidence: String(decoding: JSON.object(evidence + unclear.evidence).bytes, as: UTF8.self),
            choices: ["it_is_there", "send_again"], provider: target.provider, openedAt: now, changeID: ids.make())
        try await database.set("publication_unknown", in: .work) { session in
            try session.hold(job)
            var note = TargetNote(.unknown)
            (note.reason, note.who, note.nextAction) = (
                unclear.question, Failure.Actor.you.rawValue, "Look at the account, then decide."
            )
            try session.note(note, of: target.id, at: now)
            try session.open(review)
            if let fresh = try session.target(target.id) {
                try session.touch(fresh.publication, at: now)
                try news.tell(fresh, in: session, at: now)
            }
            try session.succeed(job, at: now)
        }
        bells.written.ring()
        return .committed
    }
}
