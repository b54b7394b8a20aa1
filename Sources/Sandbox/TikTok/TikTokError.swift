import Kit

/// Why a call is refused, as TikTok says it.
/// Source: developers.tiktok.com/doc/tiktok-api-v2-error-handling, the pages of the content posting API.
struct TikTokError: Error {
    let status: Int
    let code: String
    let message: String

    init(_ code: String, _ message: String? = nil, status: Int? = nil) {
        let usual = Self.usual[code] ?? (400, "Something went wrong.")
        self.code = code
        self.status = status ?? usual.status
        self.message = message ?? usual.message
    }

    /// What failing requests of a status say, where nothing else is asked for.
    init(_ wish: FailureWish) {
        let code: String =
            switch wish.status {
            case 401: "access_token_invalid"
            case 403: "spam_risk_too_many_posts"
            case 429: "rate_limit_exceeded"
            case 500...: "internal_error"
            default: "invalid_params"
            }
        self.init(wish.code ?? code, status: wish.status)
    }

    /// Both spellings live: the chunk checks say `invalid_param`.
    static func chunks(_ message: String) -> TikTokError { TikTokError("invalid_param", message) }
    static func params(_ message: String) -> TikTokError { TikTokError("invalid_params", message) }

    func answer(log: String) -> SandboxAnswer {
        SandboxAnswer(
            status,
            [
                "data": .object([]),
                "error": ["code": .string(code), "message": .string(message), "log_id": .string(log)],
            ])
    }

    static let usual: [String: (status: Int, message: String)] = [
        "access_token_invalid": (401, "The access token is invalid or not found in the request."),
        "scope_not_authorized": (401, "The user did not authorize the scope required for completing this request."),
        "scope_permission_missed": (
            400, "The scope of the requested fields has not been granted. Ask for fewer fields or for the scope."
        ),
        "rate_limit_exceeded": (429, "The API rate limit was exceeded. Please try again later."),
        "invalid_params": (400, "One or more parameters are missing or cannot be read."),
        "invalid_param": (400, "A parameter cannot be taken."),
        "invalid_file_upload": (400, "The uploaded file does not meet the requirements."),
        "invalid_publish_id": (400, "The publish_id does not exist."),
        "token_not_authorized_for_specified_publish_id": (
            400, "The access token is not authorized for the specified publish_id."
        ),
        "publish_not_cancellable": (400, "The publish task cannot be cancelled any more."),
        "app_version_check_failed": (400, "The user's TikTok app is older than 31.8. It has to be updated."),
        "spam_risk_too_many_pending_share": (403, "The user has 5 pending shares within 24 hours."),
        "spam_risk_too_many_posts": (403, "The daily post cap from the API is reached for this user."),
        "spam_risk_user_banned_from_posting": (403, "The user is banned from making new posts."),
        "reached_active_user_cap": (403, "The daily quota of active publishing users of your client is reached."),
        "unaudited_client_can_only_post_to_private_accounts": (
            403, "Unaudited clients can only post to a private account, for its owner alone."
        ),
        "url_ownership_unverified": (403, "The ownership of the URL's domain or prefix has not been verified."),
        "privacy_level_option_mismatch": (403, "The privacy level is none of those that the creator may choose."),
        "internal_error": (500, "Internal error. Please try again later."),
    ]

    /// What an init can be made to answer.
    static let ofInit = [
        "spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "spam_risk_too_many_pending_share",
        "reached_active_user_cap", "unaudited_client_can_only_post_to_private_accounts", "url_ownership_unverified",
        "privacy_level_option_mismatch", "app_version_check_failed", "invalid_file_upload", "internal_error",
    ]
    /// What the creator's information says with status 200.
    static let ofCreator = [
        "spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap",
    ]
    /// Why a post fails that was begun.
    static let failReasons = [
        "internal", "video_pull_failed", "photo_pull_failed", "publish_cancelled", "auth_removed",
        "file_format_check_failed", "duration_check_failed", "frame_rate_check_failed", "picture_size_check_failed",
        "spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "spam_risk", "spam_risk_text",
    ]
}

/// Why the token endpoint refuses: flat, unlike the API's errors, and often with status 200.
struct TikTokOAuthError: Error {
    let error: String
    let description: String

    init(_ error: String, _ description: String) {
        self.error = error
        self.description = description
    }

    func answer(log: String, isAlways200: Bool) -> SandboxAnswer {
        let status = error == "invalid_client" ? 401 : error == "server_error" ? 500 : 400
        return SandboxAnswer(
            isAlways200 ? 200 : status,
            [
                "error": .string(error), "error_description": .string(description), "log_id": .string(log),
            ])
    }
}
