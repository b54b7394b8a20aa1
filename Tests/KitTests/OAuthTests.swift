import Kit
import Testing

@Suite("OAuth 2, as data")
struct OAuthTests {
    private static let oauth: OAuth2 = {
        var oauth = OAuth2(
            authorize: .init("https://a.example", "/authorize"), token: .init("https://t.example", "/token"),
            settings: .init(clientID: "A_ID", clientSecret: "A_SECRET", address: "A_BASE_URL"),
            permissions: [.init("read", "Reads."), .init("write", "Writes.", isUsual: false)])
        oauth.lifetime = .hours(1)
        return oauth
    }()
    private static let client = ClientCredentials(id: "client 1", secret: Secret("s3cr3t+/="))
    private static let asked = Timestamp(seconds: 1_000_000)

    private func tokens(_ body: String, status: Int = 200) throws(TokenProblem) -> Tokens {
        try Self.oauth.tokens(
            in: Answer(status: status, headers: [], body: Array(body.utf8)), asked: Self.asked,
            now: Self.asked + .seconds(3))
    }

    @Test("challenges are those of the vectors, in both manners")
    func challenges() throws {
        let vectors = try JSON.parse(try Vectors.bytes("pkce/pkce.json"))
        for vector in vectors["valid"]?.elements ?? [] where vector["method"] == "S256" {
            let verifier = Secret(try #require(vector["code_verifier"]?.text))
            #expect(PKCE.s256.challenge(of: verifier)?.text == vector["code_challenge"]?.text)
        }
        for vector in vectors["invalid_verifiers"]?.elements ?? [] {
            let text = vector["code_verifier"]?.text ?? vector.text ?? ""
            #expect(PKCE.s256.challenge(of: Secret(text)) == nil, "\(text)")
        }
        for vector in vectors["mismatches"]?.elements ?? [] {
            let verifier = Secret(try #require(vector["code_verifier"]?.text))
            #expect(PKCE.s256.challenge(of: verifier)?.text != vector["code_challenge"]?.text)
        }
        let hex = try JSON.parse(try Vectors.bytes("tiktok/pkce-hex.json")).elements ?? []
        #expect(hex.count > 2)
        for vector in hex {
            let verifier = Secret(try #require(vector["verifier"]?.text))
            #expect(PKCE.hex.challenge(of: verifier)?.text == vector["challenge_hex"]?.text)
            #expect(PKCE.s256.challenge(of: verifier)?.text == vector["challenge_base64url_refused_by_tiktok"]?.text)
        }
        #expect(PKCE.none.challenge(of: Secret(String(repeating: "a", count: 43))) == nil)
    }

    @Test("a verifier of ours is one, and no two are alike")
    func verifiers() {
        let ids = Identifiers(now: { .zero })
        let (one, two) = (PKCE.verifier(from: ids.bytes(32)), PKCE.verifier(from: ids.bytes(32)))
        #expect(one != two && one.reveal { PKCE.isVerifier($0) } && one.count == 43)
    }

    @Test(
        "who we are is said in one way, as the platform reads it",
        arguments: [
            (OAuth2.ClientAuthentication.basic(formEncoded: false), "Basic Y2xpZW50IDE6czNjcjN0Ky89" as String?),
            (.basic(formEncoded: true), "Basic Y2xpZW50JTIwMTpzM2NyM3QlMkIlMkYlM0Q="), (.body, nil),
        ])
    func authentication(way: OAuth2.ClientAuthentication, header: String?) {
        var oauth = Self.oauth
        oauth.clientAuthentication = way
        let request = oauth.request(.refresh(Secret("r*1")), client: Self.client)
        #expect(request.authorization?.reveal { String(decoding: $0, as: UTF8.self) } == header)
        let body = request.body?.reveal { String(decoding: $0, as: UTF8.self) } ?? ""
        #expect(body.contains("client_secret=") == (header == nil))
        #expect(
            body.hasSuffix("grant_type=refresh_token&refresh_token=r%2A1") && request.url == "https://t.example/token")
    }

    @Test("no way of printing a request or tokens shows what is secret")
    func printing() throws {
        let request = Self.oauth.request(.refresh(Secret("rft-canary")), client: Self.client)
        let tokens = try tokens(#"{"access_token":"act-canary","refresh_token":"rft-canary"}"#)
        #expect(!"\(request)\(tokens)\(String(reflecting: tokens))".contains("canary"))
        #expect(!"\(request)".contains("s3cr3t"))
    }

    @Test("an operator's other address takes the place of every host, and paths stay")
    func address() {
        let client = ClientCredentials(id: "c", secret: Secret("s"), address: "http://127.0.0.1:4003")
        let url = Self.oauth.authorizeURL(
            client: client, scopes: ["read"], redirect: "https://p.example/callback/a", state: "S",
            verifier: PKCE.verifier(from: [UInt8](repeating: 1, count: 32)))
        #expect(
            url.hasPrefix(
                "http://127.0.0.1:4003/authorize?client_id=c&response_type=code&scope=read"
                    + "&redirect_uri=https%3A%2F%2Fp.example%2Fcallback%2Fa&state=S&code_challenge="
            ))
        #expect(Self.oauth.request(.refresh(Secret("r")), client: client).url == "http://127.0.0.1:4003/token")
    }

    @Test(
        "how long an access token lasts is read however it is written, and counted from before the request",
        arguments: [
            ("3600", 3600), (#""3600""#, 3600), ("3600.9", 3600), ("1", 1), ("0", 3600), ("-5", 3600), ("null", 3600),
            (#""soon""#, 3600), ("9e18", 3600), ("1e400", 3600), ("[]", 3600),
        ])
    func lives(text: String, seconds: Int64) throws {
        let tokens = try tokens(#"{"access_token":"a","expires_in":\#(text)}"#)
        #expect(tokens.expiresAt == Self.asked + .seconds(seconds))
    }

    @Test("what an answer leaves out is nil, a byte order mark is dropped, the type's case is nothing")
    func reading() throws {
        let tokens = try tokens("\u{FEFF}" + #"{"access_token":"a","token_type":"BEARER","scope":"x, y z"}"#)
        #expect(tokens.refresh == nil && tokens.refreshExpiresAt == nil && tokens.account == nil)
        #expect(tokens.scopes == ["x,", "y", "z"])
        #expect(try self.tokens(#"{"access_token":"a"}"#).scopes == nil)
    }

    @Test(
        "an answer without a token says who must act; `error` counts before the status",
        arguments: [
            (200, #"{"error":"invalid_grant"}"#, TokenProblem.deadGrant(code: "invalid_grant")),
            (400, #"{"error":"invalid_grant","error_description":"<b>"}"#, .deadGrant(code: "invalid_grant")),
            (401, #"{"error":"invalid_client"}"#, .client(code: "invalid_client")),
            (400, #"{"error":"unauthorized_client"}"#, .client(code: "unauthorized_client")),
            (401, "", .client(code: nil)), (400, #"{"error":"invalid_request"}"#, .refused(code: "invalid_request")),
            (503, "<html>", .unavailable(retryAfter: nil, code: nil)),
            (
                200, #"{"error":"temporarily_unavailable"}"#,
                .unavailable(retryAfter: nil, code: "temporarily_unavailable")
            ),
            (200, "", .unavailable(retryAfter: nil, code: "no_access_token")),
            (200, "<html>", .unavailable(retryAfter: nil, code: "no_access_token")),
            (200, #"{"ok":true}"#, .unavailable(retryAfter: nil, code: "no_access_token")),
            (200, #"{"access_token":""}"#, .unavailable(retryAfter: nil, code: "no_access_token")),
            (200, #"{"access_token":"a","token_type":"mac"}"#, .unavailable(retryAfter: nil, code: "token_type")),
            (302, "", .unavailable(retryAfter: nil, code: nil)),
            (404, "<html>", .unavailable(retryAfter: nil, code: "404")),
        ])
    func problems(status: Int, body: String, problem: TokenProblem) {
        #expect(throws: problem) { try tokens(body, status: status) }
    }

    @Test(
        "refreshed ahead by the smaller of a fifth of the life and a quarter of an hour; half for short ones",
        arguments: [(86_400, 85_500), (3600, 2880), (600, 480), (60, 30), (4500, 3600)])
    func ahead(life: Int64, due: Int64) throws {
        let tokens = try tokens(#"{"access_token":"a","refresh_token":"r","expires_in":\#(life)}"#)
        #expect(Self.oauth.refreshTime(of: tokens, obtained: Self.asked) == Self.asked + .seconds(due))
    }

    @Test("kept alive where idle tokens die, as declared where it is declared, never without a refresh token")
    func keptAlive() throws {
        var oauth = Self.oauth
        let tokens = try tokens(#"{"access_token":"a","refresh_token":"r","expires_in":86400}"#)
        oauth.refreshAhead = .hours(2)
        #expect(oauth.refreshTime(of: tokens, obtained: Self.asked) == Self.asked + .hours(22))
        oauth.idleLife = .hours(10)
        #expect(oauth.refreshTime(of: tokens, obtained: Self.asked) == Self.asked + .hours(5))
        #expect(oauth.refreshTime(of: try self.tokens(#"{"access_token":"a"}"#), obtained: Self.asked) == nil)
    }
}
