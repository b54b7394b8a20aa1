import Crypto
import Kit

/// From a request to its answer: which operation, with what, under which idempotency key.
struct StripeFrontDoor {
    let stripe: SimulatedStripe
    let world: World
    let request: SandboxRequest
    let requestID: String

    private static let savedKind = "stripe.saved"
    private static let savedFor: Int64 = 24 * 3600
    private static let keyMax = 255

    func answer(_ path: [String], failing: FailureWish?) throws(StripeError) -> SandboxAnswer {
        let version = request.headers["Stripe-Version"] ?? StripeVersions.newest
        guard StripeVersions.isKnown(version) else {
            throw .validation(
                "Invalid Stripe API version: \(OutsideText.bounded(version, 40)). You can try the newest version, "
                    + "\(StripeVersions.newest).", nil, nil)
        }
        guard let (operation, ids) = operation(path) else { throw unrecognized }
        let form = Form.parse(request.method == "POST" ? request.body[...] : Array(request.query.utf8)[...])
        guard !form.isTooLarge else {
            throw .validation("The request has too many parameters, or they are nested too deeply.", nil, nil)
        }
        guard request.method == "POST", let key = request.headers["Idempotency-Key"], !key.isEmpty else {
            return try run(operation, ids, form, version, nil)
        }
        guard key.utf8.count <= Self.keyMax else {
            throw .validation("Idempotency keys have at most \(Self.keyMax) characters.", nil, nil)
        }
        let slot = Hex.encode(Array(SHA256.hash(data: Array(key.utf8)))).text
        let print = fingerprint
        if let saved = world.object(Self.savedKind, slot), saved.int("at") + Self.savedFor > world.now {
            return try replay(saved, print, key)
        }
        return try saving(slot, print, failing) { () throws(StripeError) -> SandboxAnswer in
            try run(operation, ids, form, version, key)
        }
    }

    private func operation(_ path: [String]) -> (StripeOperation, [String])? {
        // `create_preview` is no id, although it stands where one could.
        StripeOperation.all.compactMap { operation in
            operation.match(request.method, path).map { (operation, $0) }
        }.min { $0.1.count < $1.1.count }
    }

    private var unrecognized: StripeError {
        StripeError.validation(
            "Unrecognized request URL (\(request.method): \(OutsideText.bounded(request.path, 200))). If you are "
                + "trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make "
                + "sure you passed a valid (non-empty) identifier. The sandbox simulates a part of Stripe's API.",
            nil, nil
        ).with(status: 404)
    }

    private func run(
        _ operation: StripeOperation, _ ids: [String], _ form: Form, _ version: String, _ key: String?
    ) throws(StripeError) -> SandboxAnswer {
        let params = try operation.parameters.read(form)
        let books = Books(
            world: world, platform: stripe, cause: .init(request: requestID, idempotencyKey: key))
        let call = StripeCall(books: books, path: ids, params: params, version: version)
        let answer = call.shaped(try call.expanded(try operation.run(call))).visible
        if request.method != "GET" { world.count(operation.name, of: stripe.id) }
        return SandboxAnswer(200, answer, headers: headers(version, key))
    }

    private func headers(_ version: String, _ key: String?) -> [Field] {
        [Field("Request-Id", requestID), Field("Stripe-Version", version)]
            + (key.map { [Field("Idempotency-Key", $0), Field("Original-Request", requestID)] } ?? [])
    }

    // MARK: Idempotency

    private var fingerprint: String {
        let whole = Array("\(request.method) \(request.path) ".utf8) + request.body
        return Hex.encode(Array(SHA256.hash(data: whole))).text
    }

    /// The first answer once more, if the request is the same.
    private func replay(_ saved: JSON, _ print: String, _ key: String) throws(StripeError) -> SandboxAnswer {
        guard saved.text("print") == print else {
            var error = StripeError.validation(
                """
                Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
                using a key other than '\(OutsideText.bounded(key, 80))' if you meant to execute a different request.
                """, nil, nil)
            error.type = "idempotency_error"
            throw error
        }
        var answer = SandboxAnswer(Int(saved.int("status")), .null)
        answer.body = Array((saved.text("body") ?? "").utf8)
        answer.headers += [
            Field("Request-Id", requestID), Field("Stripe-Version", saved.text("version") ?? StripeVersions.newest),
            Field("Idempotency-Key", key), Field("Original-Request", saved.text("request") ?? requestID),
            Field("Idempotent-Replayed", "true"),
        ]
        return answer
    }

    /// Keeps the answer under its key, refusals and failures too, once the work has begun.
    private func saving(
        _ slot: String, _ print: String, _ failing: FailureWish?, _ work: () throws(StripeError) -> SandboxAnswer
    ) throws(StripeError) -> SandboxAnswer {
        var answer: SandboxAnswer
        do {
            answer = try work()
        } catch {
            guard error.isSaved else { throw error }
            if !error.commits { world.rollBack() }
            answer = SimulatedStripe.answer(error, requestID)
        }
        if let failing { answer = stripe.failure(failing) }
        world.put(
            Self.savedKind, slot,
            [
                "print": .string(print), "status": JSON(answer.status), "at": JSON(world.now),
                "request": .string(requestID), "body": .string(String(decoding: answer.body, as: UTF8.self)),
            ])
        return answer
    }
}

extension [UInt8] {
    fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
