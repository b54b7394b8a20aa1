import Kit
import Store

/// What followers and operators hear of a connection, with ids made before the transaction.
struct ConnectionNews: Sendable {
    private static let needsAttention = AlertName.connectionNeedsAttention
    private static let needsReconnect = AlertName.connectionNeedsReconnect

    private let change: ID<ChangeKind>
    private let alert: ID<AlertKind>
    private let alertChanges: [ID<ChangeKind>]

    init(_ ids: Identifiers) {
        change = ids.make()
        alert = ids.make()
        alertChanges = [ids.make(), ids.make()]
    }

    /// It works, for the first time or again.
    func connected(_ row: ConnectionRow, isNew: Bool, in session: Session, at now: Timestamp) throws {
        try tell("connection.connected", row, [.init("is_new", .bool(isNew))], in: session, at: now)
        try settle(row.id, in: session, at: now)
    }

    /// It works, and will not for ever.
    func needsAttention(
        _ row: ConnectionRow, _ reason: ConnectionReason, platform: String, in session: Session, at now: Timestamp
    ) throws {
        try tell("connection.needs_attention", row, [.init("reason", .string(reason.rawValue))], in: session, at: now)
        try session.raise(
            NewAlert(
                id: alert, kind: Self.needsAttention, subject: row.id.text,
                summary: reason.sentence(platform, row), action: reason.action(platform, row.id), at: now,
                changeID: alertChanges[1]))
    }

    func needsReconnect(
        _ row: ConnectionRow, _ reason: ConnectionReason, platform: String, in session: Session, at now: Timestamp
    ) throws {
        try tell("connection.needs_reconnect", row, [.init("reason", .string(reason.rawValue))], in: session, at: now)
        try session.resolve(Self.needsAttention, row.id.text, changeID: alertChanges[0], at: now)
        try session.raise(
            NewAlert(
                id: alert, kind: Self.needsReconnect, subject: row.id.text,
                summary: reason.sentence(platform, row), action: reason.action(platform, row.id), at: now,
                changeID: alertChanges[1]))
    }

    func revoked(_ row: ConnectionRow, reason: String, in session: Session, at now: Timestamp) throws {
        try tell("connection.revoked", row, [.init("reason", .string(reason))], in: session, at: now)
        try settle(row.id, in: session, at: now)
    }

    private func settle(_ id: ID<ConnectionKind>, in session: Session, at now: Timestamp) throws {
        try session.resolve(Self.needsAttention, id.text, changeID: alertChanges[0], at: now)
        try session.resolve(Self.needsReconnect, id.text, changeID: alertChanges[1], at: now)
    }

    private func tell(
        _ type: String, _ row: ConnectionRow, _ more: [JSONMember], in session: Session, at now: Timestamp
    ) throws {
        try session.append([
            NewChange(
                id: change, type: type, subject: row.id.text, version: row.version, userID: row.userID,
                connectionID: row.id.text, occurredAt: now,
                data: JSON.object(
                    [
                        .init("connection_id", JSON(row.id)), .init("user_id", .string(row.userID)),
                        .init("provider", .string(row.provider)), .init("state", .string(row.state.rawValue)),
                        .init("version", JSON(row.version)), .init("ends_at", JSON(row.endsAt)),
                        .init("missing_scopes", .array(row.missing.map(JSON.string))),
                    ] + more
                ).bytes)
        ])
    }
}

/// Why a connection is not as it should be. The words are stable.
public enum ConnectionReason: String, Sendable {
    /// The platform says that the refresh token is dead.
    case refused = "refresh_refused"
    /// A refresh left, and nobody heard what came of it.
    case unheard = "refresh_unheard"
    /// The platform gives no answer that helps.
    case unavailable = "platform_unavailable"
    /// The app credentials are not accepted.
    case app = "app_refused"
    /// It ends soon by itself.
    case ending = "ending_soon"
    /// Its end has come.
    case ended
    /// What was kept of it does not open.
    case unreadable = "credential_unreadable"

    func sentence(_ platform: String, _ row: ConnectionRow) -> String {
        switch self {
        case .refused: "\(platform) no longer accepts this connection. Connect the account again."
        case .unheard: "\(platform) did not answer when new tokens were asked for. It may need to be connected again."
        case .unavailable: "\(platform) has given no new tokens for some time. It is asked again."
        case .app: "\(platform) does not accept the app's client id and secret."
        case .ending:
            "The connection ends\(row.endsAt.map { " on \($0.rfc3339)" } ?? " soon"). "
                + "Its owner must connect again before that."
        case .ended: "The connection has ended by itself. Connect the account again."
        case .unreadable: "The connection's tokens cannot be opened. Connect the account again."
        }
    }

    func action(_ platform: String, _ id: ID<ConnectionKind>) -> String {
        switch self {
        case .app: "Compare the app's client id and secret with what \(platform) shows, and set them again."
        case .unavailable: "Look at it: patchbay connections show \(id)"
        case .refused, .unheard, .ending, .ended, .unreadable:
            "Give its user a new link: patchbay connections reconnect \(id)"
        }
    }
}
