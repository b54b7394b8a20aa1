import Kit

/// A refusal as Stripe writes it. Source: docs/providers/stripe.md, "Errors".
struct StripeError: Error {
    var status = 400
    var type = "invalid_request_error"
    var code: String?
    var message: String
    var param: String?
    var declineCode: String?
    /// Further members of the error, such as the payment intent.
    var more: [JSONMember] = []
    /// Whether what was done stays done: a declined payment has changed its intent.
    var commits = false
    /// Whether the work had begun, so that an idempotency key gives the same refusal again.
    var isSaved = true

    init(_ message: String, code: String? = nil, param: String? = nil, status: Int = 400) {
        self.message = message
        self.code = code
        self.param = param
        self.status = status
    }

    static func unknown(_ param: String) -> Self {
        validation("Received unknown parameter: \(param)", "parameter_unknown", param)
    }
    static func missing(_ param: String) -> Self {
        validation("Missing required param: \(param).", "parameter_missing", param)
    }
    /// Found before the work began.
    static func validation(_ message: String, _ code: String?, _ param: String?) -> Self {
        var error = Self(message, code: code, param: param)
        error.isSaved = false
        return error
    }
    static func noSuch(_ name: String, _ id: String, param: String) -> Self {
        Self("No such \(name): '\(id)'", code: "resource_missing", param: param, status: param == "id" ? 404 : 400)
    }

    /// A card that was not taken.
    static func declined(_ decline: Decline, more: [JSONMember]) -> Self {
        var error = Self(decline.message, code: decline.code, status: 402)
        error.type = "card_error"
        error.declineCode = decline.declineCode
        error.more = more
        error.commits = true
        return error
    }

    /// As it stands in `last_payment_error` and under `error`.
    func json(request: String) -> JSON {
        var members: [JSONMember] = []
        func add(_ name: String, _ value: JSON) { if !value.isNull { members.append(.init(name, value)) } }
        add("code", JSON(code))
        add("decline_code", JSON(declineCode))
        let page = code.map { "https://stripe.com/docs/error-codes/" + $0.replacing("_", with: "-") }
        add("doc_url", JSON(page))
        add("message", .string(message))
        add("param", JSON(param))
        members += more
        if !request.isEmpty {
            add("request_log_url", .string("https://dashboard.stripe.com/test/logs/\(request)?t=sandbox"))
        }
        add("type", .string(type))
        return .object(members)
    }
}

/// Why an issuer does not pay.
struct Decline: Sendable, Equatable {
    let code: String
    let declineCode: String?
    let message: String

    init(_ code: String, _ declineCode: String? = nil, _ message: String) {
        self.code = code
        self.declineCode = declineCode
        self.message = message
    }

    static let authentication = Decline(
        "authentication_required", "authentication_required",
        "Your card was declined. This transaction requires authentication.")
    static let authenticationFailed = Decline(
        "payment_intent_authentication_failure", nil,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.")
    static func setupFailed() -> Decline {
        Decline(
            "setup_intent_authentication_failure", nil,
            "We are unable to authenticate your payment method. Please choose a different payment method and try again."
        )
    }
}
