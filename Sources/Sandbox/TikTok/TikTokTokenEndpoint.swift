import Kit

/// Tokens for codes and for older tokens, and their end: forms in, flat JSON out.
/// Source: developers.tiktok.com/doc/oauth-user-access-token-management.
struct TikTokTokenEndpoint {
    let books: TikTokBooks
    let request: SandboxRequest

    static let token = "/v2/oauth/token/"
    static let revocation = "/v2/oauth/revoke/"

    func answer() throws(TikTokOAuthError) -> SandboxAnswer {
        guard request.method == "POST" else {
            throw TikTokOAuthError("invalid_request", "Only POST is supported.")
        }
        let type = (request.headers["Content-Type"] ?? "").lowercased()
        guard type.hasPrefix("application/x-www-form-urlencoded") else {
            throw TikTokOAuthError(
                "invalid_request", "Only `application/x-www-form-urlencoded` is accepted as Content-Type.")
        }
        let form = Form.parse(request.body)
        try checkClient(form)
        if request.path == Self.revocation {
            books.revoke(try value("token", form))
            return SandboxAnswer(200)
        }
        return SandboxAnswer(200, try tokens(form), headers: [Field("Cache-Control", "no-store")])
    }

    private func tokens(_ form: Form) throws(TikTokOAuthError) -> JSON {
        switch form["grant_type"]?.text {
        case "authorization_code":
            return try books.exchange(
                try value("code", form), redirect: try value("redirect_uri", form),
                verifier: form["code_verifier"]?.text)
        case "refresh_token":
            return try books.refresh(try value("refresh_token", form))
        case "client_credentials":
            return books.clientToken()
        case nil:
            throw TikTokOAuthError("invalid_request", "Grant_type is missing.")
        default:
            throw TikTokOAuthError(
                "unsupported_grant_type",
                "Grant_type must be authorization_code, refresh_token or client_credentials.")
        }
    }

    private func checkClient(_ form: Form) throws(TikTokOAuthError) {
        let key = try value("client_key", form)
        let secret = try value("client_secret", form)
        guard key.hasSameBytes(as: books.own.text("client_key") ?? ""),
            secret.hasSameBytes(as: books.own.text("client_secret") ?? "")
        else { throw TikTokOAuthError("invalid_client", "Client key or secret is incorrect.") }
    }

    private func value(_ name: String, _ form: Form) throws(TikTokOAuthError) -> String {
        guard let value = form[name]?.text, !value.isEmpty else {
            throw TikTokOAuthError("invalid_request", "The request is missing the parameter \(name).")
        }
        return value
    }
}
