import Crypto
import Hummingbird
import Kit
import Store

extension APIRequest {
    /// Runs an act once for each `Idempotency-Key`: its effect, its answer and the record of both are one transaction.
    ///
    /// Without a key it runs each time. The closure may run more than once, so ids and times are made before. What it
    /// throws leaves nothing behind, and the same key may be used again.
    ///
    /// - Parameter content: the hash of what came besides the body that was read.
    func once(
        _ name: StaticString, content: [UInt8] = [], _ act: @escaping @Sendable (Session) throws -> Answer
    ) async throws -> Answer {
        defer {
            app.hooks.jobsArrived()
            app.hooks.changesWritten()
        }
        guard let key = idempotencyKey else { return try await app.database.write(name, in: .work, act) }
        let (owner, operation, now) = (caller.owner, operation, now)
        let fingerprint = fingerprint(content)
        return try await settled { [database = app.database] in
            try await database.write(name, in: .work) { session in
                if let record = try session.idempotencyRecord(owner: owner, operation: operation, key: key) {
                    return try Self.replay(record, of: fingerprint)
                }
                let answer = try act(session)
                let record = IdempotencyRecord(
                    fingerprint: fingerprint, status: answer.status, location: answer.location, answer: answer.body,
                    heldSecret: answer.holdsSecret)
                try session.record(record, owner: owner, operation: operation, key: key, at: now)
                return answer
            }
        }
    }

    /// The stored answer to this request, for acts that are too long for one transaction and harmless when repeated.
    func storedAnswer() async throws -> Answer? {
        guard let key = idempotencyKey else { return nil }
        let (owner, operation) = (caller.owner, operation)
        let record = try await app.database.read("idempotency") { session in
            try session.idempotencyRecord(owner: owner, operation: operation, key: key)
        }
        return try record.map { try Self.replay($0, of: fingerprint([])) }
    }

    /// A twin that was first makes the unique index refuse us: then its record is there to be read. A twin that still
    /// runs makes serializable transactions meet: the caller asks again in a second.
    private func settled(_ attempt: () async throws -> Answer) async throws -> Answer {
        do {
            return try await attempt()
        } catch StoreError.constraint {
            return try await attempt()
        } catch StoreError.conflict {
            throw Problem(.twinRunning, "A request with this Idempotency-Key has not ended. Send it again in a second.")
        }
    }

    static func replay(_ record: IdempotencyRecord, of fingerprint: [UInt8]) throws(Problem) -> Answer {
        guard record.fingerprint == fingerprint else {
            throw Problem(.keyReused, "This Idempotency-Key came with another request. Use a new one.")
        }
        guard !record.heldSecret else {
            throw Problem(
                .alreadyShown, "The answer held a secret, which is shown once. If it is lost, make a new one.")
        }
        guard !record.wasTooLarge else {
            let place = record.location.map { " What came of it is at \($0)" } ?? ""
            throw Problem(.answerNotKept, "It is done, and was answered \(record.status).\(place)")
        }
        var answer = Answer(
            status: record.status, contentType: record.answer.isEmpty ? nil : "application/json", body: record.answer)
        if let location = record.location { answer.headers.append(Field("Location", location)) }
        return answer.with("Idempotent-Replayed", "true")
    }

    static func idempotencyKey(_ headers: HTTPFields) throws(Problem) -> String? {
        guard let key = headers[.idempotencyKey] else { return nil }
        guard headers[values: .idempotencyKey].count == 1, (1...255).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw Problem(
                .invalidHeader, [FieldProblem("Idempotency-Key", "must be 1 to 255 visible ASCII characters.")])
        }
        return key
    }

    /// Of method, path, query and body.
    private func fingerprint(_ content: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(data: Array("\(method) \(target)\n".utf8))
        hash.update(data: bodyBytes + content)
        return Array(hash.finalize())
    }
}
