public import Kit

/// The answer to a request with an `Idempotency-Key`, as it will be repeated.
public struct IdempotencyRecord: Sendable, Equatable {
    /// Of method, path, query and body: another request under the same key is refused.
    public let fingerprint: [UInt8]
    public let status: Int
    public let location: String?
    /// Empty where the answer held a secret, or was too large.
    public let answer: [UInt8]
    /// The answer held a secret, which is shown once and never stored.
    public let heldSecret: Bool
    /// The answer was larger than what is stored; `location` says where to read what came of it.
    public let wasTooLarge: Bool

    /// Larger answers would be a second store of what the tables hold.
    public static let answerMax = 64 << 10

    public init(fingerprint: [UInt8], status: Int, location: String?, answer: [UInt8], heldSecret: Bool) {
        self.fingerprint = fingerprint
        self.status = status
        self.location = location
        self.heldSecret = heldSecret
        wasTooLarge = !heldSecret && answer.count > Self.answerMax
        self.answer = heldSecret || wasTooLarge ? [] : answer
    }

    fileprivate init(_ row: inout Row) throws {
        fingerprint = try row.blob()
        status = Int(try row.integer())
        location = try row.optionalText()
        answer = try row.blob()
        heldSecret = try row.boolean()
        wasTooLarge = try row.boolean()
    }
}

extension Session {
    /// - Parameter owner: the first of the API keys that were made of each other by rotation, by its id: names are for
    ///   people, and two applications may have the same.
    public func idempotencyRecord(owner: String, operation: String, key: String) throws -> IdempotencyRecord? {
        try row(
            """
            SELECT fingerprint, status, location, answer, secret, too_large
              FROM idempotency
             WHERE owner = \(owner) AND operation = \(operation) AND key = \(key)
            """
        ) { try IdempotencyRecord(&$0) }
    }

    /// Written in the transaction of the effect: a crash keeps both or neither.
    ///
    /// - Throws: `StoreError.constraint` when a twin was first.
    public func record(
        _ record: IdempotencyRecord, owner: String, operation: String, key: String, at now: Timestamp
    ) throws {
        try run(
            """
            INSERT INTO idempotency (owner, operation, key, fingerprint, status, location, answer, secret, too_large,
                                     at)
            VALUES (\(owner), \(operation), \(key), \(record.fingerprint), \(record.status), \(record.location),
                    \(record.answer), \(record.heldSecret), \(record.wasTooLarge), \(now))
            """)
    }

    /// Forgets records made before a moment, at most `limit`.
    public func sweepIdempotency(before: Timestamp, _ limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM idempotency
             WHERE (owner, operation, key) IN (SELECT owner, operation, key FROM idempotency
                                                WHERE at < \(before) ORDER BY at LIMIT \(limit))
            """)
    }
}
