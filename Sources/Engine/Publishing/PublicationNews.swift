public import Kit
public import Store

/// What followers hear of publications, with ids made before the transaction.
public struct PublicationNews: Sendable {
    private let changes: [ID<ChangeKind>]

    /// - Parameter most: targets that the transaction may tell of.
    public init(_ ids: Identifiers, most: Int = 1) { changes = (0..<most).map { _ in ids.make() } }

    /// Tells how a target stands now. Of states that came one after the other only the last is told.
    public func tell(_ target: TargetRow, number: Int = 0, in session: Session, at now: Timestamp) throws {
        guard changes.indices.contains(number) else {
            throw StoreError.statement("too few ids were made for the changes of a publication")
        }
        try session.append([
            NewChange(
                id: changes[number], type: Self.type(of: target.state), subject: target.publication.text,
                version: target.version, userID: target.userID, connectionID: target.connection.text, occurredAt: now,
                data: JSON.object([
                    .init("publication_id", JSON(target.publication)), .init("target_id", JSON(target.id)),
                    .init("connection_id", JSON(target.connection)), .init("user_id", JSON(target.userID)),
                    .init("provider", .string(target.provider)), .init("state", .string(target.state.rawValue)),
                    .init("version", JSON(target.version)), .init("reason", JSON(target.reason)),
                    .init("code", JSON(target.code)), .init("who", JSON(target.who)),
                    .init("next_action", JSON(target.nextAction)), .init("next_at", JSON(target.nextAt)),
                    .init("provider_post_id", JSON(target.postID)),
                ]).bytes)
        ])
    }

    private static func type(of state: TargetState) -> String {
        switch state {
        case .scheduled: "publication.scheduled"
        case .waiting, .uploading, .processing: "publication.step"
        case .published: "publication.published"
        case .inInbox: "publication.in_inbox"
        case .failed: "publication.failed"
        case .unknown: "publication.unknown"
        case .cancelled: "publication.cancelled"
        }
    }
}

extension TargetNote {
    /// How a stage of steps shows on a target.
    init(_ stage: PostStage) {
        let state: TargetState =
            switch stage.state {
            case .waiting: .waiting
            case .uploading: .uploading
            case .processing: .processing
            case .published: .published
            }
        self.init(state)
        (nextAction, reason) = (stage.next, stage.reason)
        (remoteID, remoteStatus, postID, sent) = (stage.remoteID, stage.remoteStatus, stage.postID, stage.sent)
        isAnew = stage.state == .waiting
    }

    init(_ outcome: Published) {
        switch outcome.state {
        case .published: self.init(.published)
        case .inInbox:
            self.init(.inInbox)
            nextAction = "The account's owner finishes it in the app."
        case .cancelled:
            self.init(.cancelled)
            reason = "Cancelled at the platform before it was published."
        }
        (remoteStatus, postID) = (outcome.remoteStatus, outcome.postID)
    }

    init(_ failure: Failure) {
        self.init(.failed)
        (reason, code, who) = (failure.message, failure.code, failure.who.rawValue)
    }
}
