/// What the store could not do, in the words that callers act on.
public enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The database cannot take or give anything now: full disk, I/O error, connection lost, shutting down.
    /// To a platform this is 503; nothing was kept, or nobody can know yet and the caller sends again.
    case unavailable(String)
    /// More waits than the bounds allow. 503 with `Retry-After`.
    case overloaded
    /// A rule of the schema refuses the row: unique, foreign key, check, not null. Carries the engine's name for it.
    case constraint(String)
    /// The engine cannot hold this value: bytes that are no text, a number out of range.
    case unholdable(String)
    /// Serializable transactions met five times in a row.
    case conflict
    /// The statement itself is wrong: our mistake.
    case statement(String)
    /// A session was used after its transaction ended: our mistake.
    case sessionClosed
    /// The database was made by a newer program.
    case newer(madeBy: String, version: Int64, known: Int64)
    /// The start is refused, with the sentence for the operator.
    case refused(String)
    /// Stored bytes do not have the checksum that was stored with them.
    case damaged(String)

    public var description: String {
        switch self {
        case .unavailable(let reason): "The database is not available: \(reason)"
        case .overloaded: "Too much waits for the database. Send again in a few seconds."
        case .constraint(let name): "The database refuses this row (\(name))."
        case .unholdable(let what): "The database cannot hold this value: \(what)"
        case .conflict: "Too many writers met on the same rows. Send again."
        case .statement(let what): "The database refuses a statement of ours: \(what)"
        case .sessionClosed: "A transaction was used after its end."
        case .newer(let madeBy, let version, let known):
            "The database was made by Patchbay \(madeBy) (schema \(version)); this program knows schema \(known). "
                + "Use Patchbay \(madeBy) or newer."
        case .refused(let sentence): sentence
        case .damaged(let what): "Stored bytes are damaged: \(what). Restore them from a backup."
        }
    }

    /// Whether the caller may hope that the same request succeeds later.
    public var passes: Bool {
        switch self {
        case .unavailable, .overloaded, .conflict: true
        case .constraint, .unholdable, .statement, .sessionClosed, .newer, .refused, .damaged: false
        }
    }
}
