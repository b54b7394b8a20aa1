import Engine
import Kit
import Store

/// Changes a publication of which nothing has begun: read, checked anew, written if it is still as it was read.
struct PublicationChanging: Sendable {
    private let request: APIRequest
    private let hooks: PublishingHooks
    private let before: PublicationRow
    private let reading: PublicationReading
    private let publishAt: Timestamp?
    /// Each target with its new wish.
    private let targets: [(target: TargetRow, wish: Publishing.Wish)]

    init(_ request: APIRequest) async throws {
        self.request = request
        let hooks = try request.publishing
        self.hooks = hooks
        let (id, body) = (request.pathID(PublicationKind.self), request.body)
        guard let before = try await request.app.database.read("publication", { try $0.publication(id) }) else {
            throw Problem(.notFound, "There is no publication \(id).")
        }
        self.before = before
        try request.checkVersion(before.version)
        publishAt = body["publish_at"] == nil ? before.publishAt : try request.publishAt(body["publish_at"])
        let reading = PublicationReading(
            publishing: hooks.publishing, content: body["content"] ?? before.content,
            media: body["media"] ?? before.media)
        self.reading = reading
        let named = Dictionary(
            (body["targets"]?.elements ?? []).map { ($0["target_id"]?.text ?? "", $0["options"] ?? .object([])) },
            uniquingKeysWith: { _, last in last })
        targets = try await request.app.database.read("publication_change") { session in
            let rows = try session.targets(of: [id])
            let wishes = try reading.wishes(
                try rows.enumerated().map { index, target in
                    PublicationReading.Wanted(
                        connection: try session.connection(target.connection),
                        options: named[target.id.text] ?? target.options, field: "targets[\(index)]")
                }, session)
            return Array(zip(rows, wishes))
        }
    }

    func perform() async throws -> Answer {
        let (before, reading, publishAt, now, targets) = (before, reading, publishAt, request.now, targets)
        let states = try targets.map {
            try hooks.publishing.start($0.wish.post, of: $0.target.id, at: $0.target.provider)
        }
        let auditID = request.app.ids.make(AuditKind.self)
        defer { request.app.hooks.jobsArrived() }
        return try await request.app.database.write("change_publication") { [request] session in
            guard let held = try session.holdPublication(before.id), held.version == before.version else {
                throw Problem(.preconditionFailed, "It was changed meanwhile. Read it again.")
            }
            try session.change(
                before.id, content: reading.content, media: reading.media, publishAt: publishAt, at: now)
            for ((target, wish), state) in zip(targets, states) {
                guard let row = try session.holdTarget(target.id), row.state == .scheduled,
                    try session.restart(target.id.text, state, at: now)
                else { throw Problem(.wrongState, "It has begun, or is over: it can no longer be changed.") }
                try session.change(
                    target.id, options: wish.options,
                    source: reading.publishing.source(of: wish.post, at: target.provider), size: wish.post.size,
                    at: now)
                var note = TargetNote(publishAt == nil ? .waiting : .scheduled)
                (note.nextAction, note.nextAt) = (Publishing.beginning(publishAt), publishAt ?? now)
                try session.note(note, of: target.id, at: now)
                try session.settleLateReview(of: target.id, by: request.caller.id, at: now)
                guard try session.reschedule(Publishing.key(of: target.id), to: publishAt ?? now, at: now) else {
                    throw Problem(.wrongState, "It begins just now: it can no longer be changed.")
                }
            }
            try session.audit(NewAudit(auditID, "publication.changed", before.id.text, by: request))
            guard let row = try session.publication(before.id) else { throw StoreError.conflict }
            return try .publication(row, in: session)
        }
    }
}
