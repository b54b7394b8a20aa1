public import Kit

/// Saved steps with what the journal knows of them.
public struct WorkRow: Sendable {
    public let id: String
    public let kind: String
    public let version: Int
    public let sealed: [UInt8]
    public let keyID: String
    /// Counts the states that were saved.
    public let ordinal: Int64
    /// Rises when a call is begun anew on purpose.
    public let generation: Int64
    /// A call has left, or was about to.
    public let askedAt: Timestamp?
    /// Until then its answer may come.
    public let askedUntil: Timestamp?
    public let finalAt: Timestamp?
    /// Since when somebody wants the platform to give it up.
    public let cancelAt: Timestamp?
}

/// A state to be saved.
public struct SavedState: Sendable {
    public let kind: String
    public let version: Int
    public let sealed: [UInt8]
    public let keyID: String
    /// Whether the platform can be asked to give it up.
    public let canGiveUp: Bool

    public init(kind: String, version: Int, sealed: [UInt8], keyID: String, canGiveUp: Bool = false) {
        self.canGiveUp = canGiveUp
        self.kind = kind
        self.version = version
        self.sealed = sealed
        self.keyID = keyID
    }
}

extension Session {
    public func work(_ id: String) throws -> WorkRow? {
        try row(
            """
            SELECT id, kind, version, sealed, key_id, ordinal, generation, asked_at, asked_until, final_at, cancel_at
              FROM works WHERE id = \(id)
            """
        ) { row in
            WorkRow(
                id: try row.text(), kind: try row.text(), version: Int(try row.integer()), sealed: try row.blob(),
                keyID: try row.text(), ordinal: try row.integer(), generation: try row.integer(),
                askedAt: try row.optionalTime(), askedUntil: try row.optionalTime(), finalAt: try row.optionalTime(),
                cancelAt: try row.optionalTime())
        }
    }

    /// Begins work.
    public func addWork(_ id: String, _ state: SavedState, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO works (id, kind, version, sealed, key_id, ordinal, generation, can_give_up, created_at,
                               updated_at)
            VALUES (\(id), \(state.kind), \(state.version), \(state.sealed), \(state.keyID), 0, 0,
                    \(state.canGiveUp ? 1 : 0), \(now), \(now))
            """)
    }

    /// A call is about to leave: written down before its first byte. False where somebody has cancelled the work or
    /// it has moved on; then it must not leave. The job's row is to be held first (`hold`).
    ///
    /// - Parameter isFinal: nothing can be taken back after it.
    public func ask(
        _ id: String, ordinal: Int64, until: Timestamp, isFinal: Bool, at now: Timestamp
    ) throws -> Bool {
        let final: Timestamp? = isFinal ? now : nil
        return try run(
            """
            UPDATE works
               SET asked_at = \(now), asked_until = \(until), final_at = coalesce(\(final), final_at),
                   updated_at = \(now)
             WHERE id = \(id) AND ordinal = \(ordinal)
            """) == 1
    }

    /// A call that had left, or was about to, has done nothing: its place in time is free again.
    ///
    /// - Parameter isNew: whether the next one counts as another: it was refused, so a key may not be used again.
    public func unask(_ id: String, ordinal: Int64, isNew: Bool, at now: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE works
               SET asked_at = NULL, asked_until = NULL, final_at = NULL,
                   generation = generation + \(isNew ? 1 : 0), updated_at = \(now)
             WHERE id = \(id) AND ordinal = \(ordinal)
            """) == 1
    }

    /// Saves a state that was reached. False where the work is over or has moved on.
    ///
    /// - Parameter isAnew: nothing of it is out, or what was has come to nothing.
    public func reach(
        _ id: String, from ordinal: Int64, _ state: SavedState, isAnew: Bool, at now: Timestamp
    ) throws -> Bool {
        let final: SQL = isAnew ? "NULL" : "final_at"
        return try run(
            """
            UPDATE works
               SET kind = \(state.kind), version = \(state.version), sealed = \(state.sealed), key_id = \(state.keyID),
                   can_give_up = \(state.canGiveUp ? 1 : 0), ordinal = ordinal + 1, asked_at = NULL,
                   asked_until = NULL, final_at = \(final), updated_at = \(now)
             WHERE id = \(id) AND ordinal = \(ordinal)
            """) == 1
    }

    /// Begins anew from a state, by a person's decision.
    public func restart(_ id: String, _ state: SavedState, at now: Timestamp) throws -> Bool {
        try run(
            """
            UPDATE works
               SET kind = \(state.kind), version = \(state.version), sealed = \(state.sealed), key_id = \(state.keyID),
                   can_give_up = \(state.canGiveUp ? 1 : 0), cancel_at = NULL, ordinal = ordinal + 1,
                   generation = generation + 1, asked_at = NULL, asked_until = NULL, final_at = NULL,
                   updated_at = \(now)
             WHERE id = \(id)
            """) == 1
    }

    /// Ends work before a call that cannot be taken back. False when one has left, or there is no such work.
    public func cancelWork(_ id: String) throws -> Bool {
        try run("DELETE FROM works WHERE id = \(id) AND final_at IS NULL") == 1
    }

    /// What can no longer be taken back here is to be given up at the platform. False where that cannot be asked.
    public func wantGivenUp(_ id: String, at now: Timestamp) throws -> Bool {
        try run("UPDATE works SET cancel_at = coalesce(cancel_at, \(now)) WHERE id = \(id) AND can_give_up = 1") == 1
    }

    public func endWork(_ id: String) throws { try run("DELETE FROM works WHERE id = \(id)") }
}
