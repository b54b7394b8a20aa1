/// A kind of problem, with the page that explains it at `/docs/errors/{code}`.
public struct ProblemType: Sendable, Equatable {
    /// Who must act.
    public enum Who: String, Sendable { case you, yourUser = "your_user", provider, `operator` }
    /// Whether the same request may succeed later.
    public enum Retry: Sendable, Equatable { case never, now, later }

    /// Never changes.
    public let code: String
    public let status: Int
    public let title: String
    public let who: Who
    public let retry: Retry
    /// For the page: what it means and what to do.
    public let meaning: String

    init(_ code: String, _ status: Int, _ title: String, who: Who = .you, retry: Retry = .never, _ meaning: String) {
        self.code = code
        self.status = status
        self.title = title
        self.who = who
        self.retry = retry
        self.meaning = meaning
    }

    public static func named(_ code: String) -> ProblemType? { all.first { $0.code == code } }
}

extension ProblemType {
    public static let all: [ProblemType] =
        [
            .invalidRequest, .invalidJSON, .invalidQuery, .invalidCursor, .invalidHeader, .unsupportedVersion,
            .missingKey,
            .invalidKey, .wrongMode, .insufficientScope, .httpsRequired, .notFound, .methodNotAllowed, .wrongState,
            .notSetUp,
            .twinRunning, .alreadyShown, .answerNotKept, .positionGone, .preconditionFailed, .contentTooLarge,
            .unsupportedMediaType,
            .invalidFields, .cardData, .keyReused, .rateLimited, .internalError, .unavailable, .overloaded,
        ] + connections + publishing + webhooks

    /// What stands between a request and an account at a platform.
    static let connections: [ProblemType] = [.needsReconnect, .providerUnavailable, .quotaReached]

    public static let quotaReached = ProblemType(
        "quota_reached", 429, "The platform's limit is reached", who: .provider, retry: .later,
        "The call was not sent, because the platform would refuse it. `Retry-After` says when there is room; "
            + "/v1/quotas says what is used.")

    public static let needsReconnect = ProblemType(
        "needs_reconnect", 409, "The account must be connected again", who: .yourUser,
        "The platform no longer accepts the connection. Make a connect session for its user, with `connection_id`.")
    public static let providerUnavailable = ProblemType(
        "provider_unavailable", 502, "The platform gave no answer that helps", who: .provider, retry: .later,
        "Nothing is lost: it is asked again by itself. The connection's `reason` says more.")

    /// What stands between content and an account.
    static let publishing: [ProblemType] = [
        .storageFull, .rangeNotSatisfiable, .inUse, .addressRefused, .uploadElsewhere,
    ]

    public static let storageFull = ProblemType(
        "storage_full", 507, "There is no room for the file", who: .operator, retry: .later,
        "The disk for objects has reached its reserve, which is kept free so that webhooks never wait for uploads. "
            + "The operator frees some room, or sets DISK_STORAGE_PATH to a larger disk.")
    public static let rangeNotSatisfiable = ProblemType(
        "range_not_satisfiable", 416, "The object has no such bytes",
        "`Range` names bytes beyond the object's end. `Content-Range` says how many there are.")
    public static let inUse = ProblemType(
        "in_use", 409, "Something still needs it",
        "A publication that is not over uses the object. Cancel it first, or wait for its end.")

    public static let addressRefused = ProblemType(
        "address_refused", 401, "The signed address is not accepted",
        "A part of it was changed, its time is over, or the API key that made it is no longer active. Make a new one: "
            + "POST /v1/objects/presign")
    public static let uploadElsewhere = ProblemType(
        "upload_elsewhere", 409, "The upload goes on elsewhere", retry: .later,
        "`Upload-Offset` must be what HEAD answers: how many bytes are here. It is the same while another request "
            + "writes to the upload: wait for its end.")

    /// What platforms are told.
    static let webhooks: [ProblemType] = [
        .webhookRouteOff, .invalidSignature, .tooManyFailures, .handshakeIncomplete, .handshakeRefused,
        .contentEncoding,
        .webhookTooLarge, .notKept,
    ]

    public static let webhookRouteOff = ProblemType(
        "webhook_route_off", 404, "There is no such webhook route",
        "The platform in the address is unknown, or no secret is set that could prove its deliveries. Which routes "
            + "are on says: patchbay doctor")
    public static let invalidSignature = ProblemType(
        "invalid_signature", 401, "The delivery is not believed",
        "No active secret made the signature, or it is too old. The operator sees why at "
            + "/v1/deliveries?verdict=rejected")
    public static let tooManyFailures = ProblemType(
        "too_many_failures", 429, "Too many deliveries prove nothing", retry: .later,
        "One address may send sixty deliveries a minute that are not believed, all senders to one route together six "
            + "hundred; the operator sees what they hold. What is more is not looked into. A delivery with a right "
            + "signature is taken at any time, from any address.")
    public static let handshakeIncomplete = ProblemType(
        "handshake_incomplete", 400, "The request is no handshake",
        "A platform asks whether a webhook address is ours by a GET with parameters of its own, each once. Deliveries "
            + "come by POST.")
    public static let handshakeRefused = ProblemType(
        "handshake_refused", 403, "The handshake is not answered",
        "The verify token is none that is set here, or the challenge is not one that the platform makes. The log has "
            + "a line handshake.refused that says which.")
    public static let contentEncoding = ProblemType(
        "content_encoding", 415, "The body is encoded",
        "Signatures are of bytes as they are: send the body without a Content-Encoding.")
    public static let webhookTooLarge = ProblemType(
        "body_too_large", 413, "The body is too large", "Each platform's webhooks have a limit, usually 1 MiB.")
    public static let notKept = ProblemType(
        "not_kept", 503, "It could not be kept", who: .operator, retry: .later,
        "Nothing of the delivery was kept. Send it again; a repetition does no harm.")

    public static let invalidRequest = ProblemType(
        "invalid_request", 400, "The request cannot be read",
        "The request is not HTTP as this server reads it. The detail says what is wrong with it.")
    public static let invalidJSON = ProblemType(
        "invalid_json", 400, "The body is not JSON",
        "The body must be one JSON object in UTF-8. The detail says at which byte reading ended.")
    public static let invalidQuery = ProblemType(
        "invalid_query", 400, "A query parameter cannot be used",
        "A parameter is unknown, stands there twice, or has a value of the wrong form. `errors` names each.")
    public static let invalidCursor = ProblemType(
        "invalid_cursor", 400, "The cursor belongs to another list",
        "A cursor remembers filter and order of its list. Send it with the parameters of the request that gave it, "
            + "or begin again without one.")
    public static let invalidHeader = ProblemType(
        "invalid_header", 400, "A header cannot be used",
        "A header such as Idempotency-Key, If-Match or Prefer is not written as its standard says.")
    public static let unsupportedVersion = ProblemType(
        "unsupported_version", 400, "This version of the API does not exist",
        "Patchbay-Version takes a date that this server knows. Without it, the one that your key was made for."
    )
    public static let missingKey = ProblemType(
        "missing_key", 401, "The API key is missing",
        "Send Authorization: Bearer with an API key. Make one with: patchbay keys create --scope admin")
    public static let invalidKey = ProblemType(
        "invalid_key", 401, "The API key is not accepted",
        "The key is mistyped, unknown, revoked or expired.")
    public static let wrongMode = ProblemType(
        "wrong_mode", 401, "The API key is of the other mode",
        "pb_live_ keys belong to a live instance, pb_test_ keys to a test instance. Check which server you call."
    )
    public static let insufficientScope = ProblemType(
        "insufficient_scope", 403, "The API key may not do this",
        "The key lacks the scope that the detail names. Use another key, or make one that has it.")
    public static let httpsRequired = ProblemType(
        "https_required", 403, "Plain http is refused",
        "API keys and personal data would be readable on the way. Use https. If a key was sent, replace it.")
    public static let notFound = ProblemType(
        "not_found", 404, "There is no such thing",
        "The address is unknown, or the id names nothing here: retention removed it, or it is another instance's."
    )
    public static let methodNotAllowed = ProblemType(
        "method_not_allowed", 405, "The address does not take this method", "The header Allow lists what it takes.")
    public static let wrongState = ProblemType(
        "wrong_state", 409, "Its state does not allow this",
        "The thing has moved on: look at it again. The detail names its state.")
    public static let notSetUp = ProblemType(
        "not_set_up", 409, "This server is not set up for it", who: .operator,
        "A setting is missing, which the detail names. What is set and what is missing says: patchbay doctor")
    public static let twinRunning = ProblemType(
        "twin_running", 409, "The same request runs already", retry: .later,
        "A request with the same Idempotency-Key has not ended. Send it again in a second to get its answer.")
    public static let alreadyShown = ProblemType(
        "already_shown", 409, "The secret was shown once",
        "The first answer to this Idempotency-Key held a secret, which is not stored. If it is lost, make a new one.")
    public static let answerNotKept = ProblemType(
        "answer_not_kept", 409, "It is done, and its answer is not kept",
        "The first request with this Idempotency-Key was done. Its answer was larger than 64 KiB, and such are not "
            + "stored: read what came of it where the detail says. Do not send it again with another key.")
    public static let positionGone = ProblemType(
        "position_gone", 410, "The feed no longer holds this position",
        "Changes are kept for a time (PATCHBAY_RETENTION_CHANGES). Read what you need from the resources, then follow "
            + "the feed from its head.")
    public static let preconditionFailed = ProblemType(
        "precondition_failed", 412, "It was changed meanwhile",
        "If-Match named a version that is no longer the current one. Read it again, then repeat the change.")
    public static let contentTooLarge = ProblemType(
        "content_too_large", 413, "The body is too large", "Requests to the API hold at most 1 MiB.")
    public static let unsupportedMediaType = ProblemType(
        "unsupported_media_type", 415, "The body is not declared as JSON", "Send Content-Type: application/json.")
    public static let invalidFields = ProblemType(
        "invalid_fields", 422, "Fields of the body cannot be used",
        "A member is unknown, missing or has a value of the wrong form. `errors` names each, all at once.")
    public static let cardData = ProblemType(
        "card_data", 422, "Card data is refused",
        "Card numbers and security codes must not reach this server. Let the platform's own form take them.")
    public static let keyReused = ProblemType(
        "key_reused", 422, "The Idempotency-Key belongs to another request",
        "The same key came with another body, query or address. Use a new key for each new request.")
    public static let rateLimited = ProblemType(
        "rate_limited", 429, "Too many requests", retry: .later,
        "Wait as long as Retry-After says. The header RateLimit shows what is left.")
    public static let internalError = ProblemType(
        "internal_error", 500, "Internal error", who: .operator, retry: .later,
        "Something here is broken. The operator finds it in the log by the request id in `instance`.")
    public static let unavailable = ProblemType(
        "unavailable", 503, "The database is away", who: .operator, retry: .later,
        "Nothing was done, or nobody knows yet. Send the request again with the same Idempotency-Key.")
    public static let overloaded = ProblemType(
        "overloaded", 503, "Too much is waiting", who: .operator, retry: .later,
        "Nothing was done. Send the request again in a few seconds.")
}
