/// One pair of app credentials, for the request that needs it.
public struct ClientCredentials: Sendable, Equatable {
    public let id: String
    public let secret: Secret
    /// Instead of the platform's own hosts; nil for those.
    public let address: String?

    public init(id: String, secret: Secret, address: String? = nil) {
        self.id = id
        self.secret = secret
        self.address = address
    }
}

/// A request to a token endpoint or with a token: what must not be seen is kept apart.
public struct TokenRequest: Sendable, Equatable {
    public let method: Outgoing.Method
    public let url: String
    /// A form; nil for none.
    public let body: Secret?
    /// The value of `Authorization`.
    public let authorization: Secret?
}

/// What a token endpoint is asked for.
public enum Grant: Sendable, Equatable {
    case code(Secret, redirect: String, verifier: Secret?)
    case refresh(Secret)
    /// A token of the app's own, for nobody's account: it shows that id and secret belong together.
    case client
}

extension OAuth2 {
    /// How PKCE goes with a redirect.
    public func pkce(for redirect: String) -> PKCE {
        guard let pkceOnLoopback, let url = try? OutsideURL(redirect) else { return pkce }  // Ours: it can be read.
        return url.isOnThisMachine ? pkceOnLoopback : pkce
    }

    /// Where the browser goes.
    public func authorizeURL(
        client: ClientCredentials, scopes: [String], redirect: String, state: String, verifier: Secret?
    ) -> String {
        var fields = [
            Field(clientIDName, client.id), Field("response_type", "code"),
            Field("scope", scopes.joined(separator: scopeSeparator)), Field("redirect_uri", redirect),
            Field("state", state),
        ]
        if let challenge = verifier.flatMap({ pkce(for: redirect).challenge(of: $0) }) {
            fields += [Field("code_challenge", challenge.text), Field("code_challenge_method", challenge.method)]
        }
        let url = authorize.url(at: client.address)
        return url + (url.contains("?") ? "&" : "?") + FormText.encode(fields + authorizeFields)
    }

    public func request(_ grant: Grant, client: ClientCredentials) -> TokenRequest {
        var fields: [Field]
        switch grant {
        case .code(let code, let redirect, let verifier):
            fields = [
                Field("grant_type", "authorization_code"), Field("code", code.text), Field("redirect_uri", redirect),
            ]
            if let verifier, pkce(for: redirect) != .none { fields.append(Field("code_verifier", verifier.text)) }
        case .refresh(let token):
            fields = [Field("grant_type", "refresh_token"), Field("refresh_token", token.text)]
        case .client: fields = [Field("grant_type", "client_credentials")]
        }
        return form(fields, to: token, client)
    }

    /// Takes back what was granted; nil where the platform has no way.
    public func revocation(of tokens: Tokens, client: ClientCredentials) -> TokenRequest? {
        guard let revoke else { return nil }
        let token = revoked == .refreshToken ? tokens.refresh ?? tokens.access : tokens.access
        return form([Field("token", token.text)], to: revoke, client)
    }

    /// Asks whose account a token is for; nil where nothing says.
    public func profileRequest(_ access: Secret, client: ClientCredentials) -> TokenRequest? {
        profile.map {
            TokenRequest(
                method: .get, url: $0.place.url(at: client.address), body: nil,
                authorization: Secret("Bearer " + access.text))
        }
    }

    private func form(_ fields: [Field], to place: Place, _ client: ClientCredentials) -> TokenRequest {
        var fields = fields
        var authorization: Secret?
        switch clientAuthentication {
        case .body: fields = [Field(clientIDName, client.id), Field("client_secret", client.secret.text)] + fields
        case .basic(let formEncoded):
            let pair =
                formEncoded
                ? FormText.encode(client.id) + ":" + FormText.encode(client.secret.text)
                : client.id + ":" + client.secret.text
            authorization = Secret(Array("Basic ".utf8) + Base64.encode(Array(pair.utf8)))
        }
        return TokenRequest(
            method: .post, url: place.url(at: client.address), body: Secret(FormText.encode(fields)),
            authorization: authorization)
    }
}

extension Secret {
    /// For the request that carries it.
    var text: String { reveal { String(decoding: $0, as: UTF8.self) } }
}
