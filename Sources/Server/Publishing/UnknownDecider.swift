public import Engine
import Kit
public import Store

/// Decides `unknown_outcome` of a publication: `it_is_there` counts it as published, `send_again` sends it once more.
public struct UnknownDecider: ReviewDecider {
    private let publishing: Publishing
    private let database: any Database

    public init(_ publishing: Publishing, database: any Database) {
        self.publishing = publishing
        self.database = database
    }

    public var input: Schema? {
        .object([
            .optional("post_id", Schema.line(1...64).orNull, "The platform's own id of the post, where it is known.")
        ])
    }

    public func effect(
        of decision: Decision, on review: Review
    ) async throws -> @Sendable (Session, Review) throws -> Void {
        guard let id = ID<TargetKind>(review.subject) else { return { _, _ in } }
        if decision.choice == "it_is_there" {
            let act = publishing.found(id, postID: decision.input["post_id"]?.text, at: decision.at)
            return { session, _ in try act(session) }
        }
        let found = try await database.read("unknown_target") { session -> (TargetRow, WorkRow, Post)? in
            guard let target = try session.target(id), let work = try session.work(id.text),
                let publication = try session.publication(target.publication)
            else { return nil }
            return (target, work, try session.post(of: publication, for: target))
        }
        guard let (target, work, post) = found, target.state == .unknown else {
            throw Problem(.wrongState, "The publication is no longer unknown. Look at it again.")
        }
        let act = try publishing.again(target, post, work, at: decision.at)
        return { session, _ in try act(session) }
    }
}

/// Decides `late_publication`: `send_now` begins it, `cancel` ends it.
public struct LateDecider: ReviewDecider {
    private let publishing: Publishing

    public init(_ publishing: Publishing) { self.publishing = publishing }

    public var input: Schema? { nil }

    public func effect(
        of decision: Decision, on review: Review
    ) async throws -> @Sendable (Session, Review) throws -> Void {
        guard let id = ID<TargetKind>(review.subject) else { return { _, _ in } }
        let act = publishing.late(id, sends: decision.choice == "send_now", at: decision.at)
        return { session, _ in try act(session) }
    }
}
