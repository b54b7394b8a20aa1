import Kit
import Testing
import TikTok

/// Source: developers.tiktok.com/doc/oauth-user-access-token-management, …/login-kit-web, …/login-kit-desktop.
@Suite("Connecting a TikTok account")
struct TikTokConnectTests {
    private let oauth = TikTok().oauth
    private let client = ClientCredentials(id: "aw_demo", secret: Secret("tt-demo-secret"))

    @Test("the authorize page has client_key, commas, the slash at its end, and no challenge for a web app")
    func authorize() {
        let url = oauth.authorizeURL(
            client: client, scopes: ["user.info.basic", "video.list"],
            redirect: "https://patchbay.example.com/callback/tiktok", state: "S",
            verifier: PKCE.verifier(from: [UInt8](repeating: 1, count: 32)))
        #expect(
            url == "https://www.tiktok.com/v2/auth/authorize/?client_key=aw_demo&response_type=code"
                + "&scope=user.info.basic%2Cvideo.list"
                + "&redirect_uri=https%3A%2F%2Fpatchbay.example.com%2Fcallback%2Ftiktok&state=S")
    }

    @Test("a desktop app, whose redirect is this machine, proves itself in hex")
    func desktop() {
        let verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        let url = oauth.authorizeURL(
            client: client, scopes: ["user.info.basic"], redirect: "http://127.0.0.1:8484/callback/tiktok",
            state: "S", verifier: verifier)
        #expect(
            url.hasSuffix(
                "&code_challenge=13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3"
                    + "&code_challenge_method=S256"))
        let request = oauth.request(
            .code(Secret("c*!1"), redirect: "http://127.0.0.1:8484/callback/tiktok", verifier: verifier),
            client: client)
        let body = request.body?.reveal { String(decoding: $0, as: UTF8.self) }
        #expect(
            body == "client_key=aw_demo&client_secret=tt-demo-secret&grant_type=authorization_code&code=c%2A%211"
                + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8484%2Fcallback%2Ftiktok"
                + "&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    }

    @Test("an answer names the account, both lives and commas between scopes; an error comes with 200")
    func answers() throws {
        let body = """
            {"access_token":"act.demo1","expires_in":86400,"open_id":"afd97af1-demo","refresh_expires_in":31536000,\
            "refresh_token":"rft.demo1","scope":"user.info.basic,video.list","token_type":"Bearer"}
            """
        let asked = Timestamp(seconds: 1_763_451_000)
        let tokens = try oauth.tokens(
            in: Answer(status: 200, headers: [], body: Array(body.utf8)), asked: asked, now: asked)
        #expect(tokens.account == "afd97af1-demo" && tokens.scopes == ["user.info.basic", "video.list"])
        #expect(tokens.expiresAt == asked + .days(1) && tokens.refreshExpiresAt == asked + .days(365))
        let error = #"{"error":"invalid_grant","error_description":"Authorization code is expired.","log_id":"2022"}"#
        #expect(throws: TokenProblem.deadGrant(code: "invalid_grant")) {
            try oauth.tokens(in: Answer(status: 200, headers: [], body: Array(error.utf8)), asked: asked, now: asked)
        }
    }

    @Test("it is taken back by the access token")
    func revocation() {
        let tokens = Tokens(
            access: Secret("act.1"), refresh: Secret("rft.1"), expiresAt: nil, refreshExpiresAt: nil, scopes: nil,
            account: nil)
        let request = oauth.revocation(of: tokens, client: client)
        #expect(request?.url == "https://open.tiktokapis.com/v2/oauth/revoke/")
        #expect(
            request?.body?.reveal { String(decoding: $0, as: UTF8.self) }
                == "client_key=aw_demo&client_secret=tt-demo-secret&token=act.1")
    }

    @Test("the profile names the account and what it is called")
    func profile() {
        let body = #"{"data":{"user":{"open_id":"afd97af1-demo","display_name":"Rye"}},"error":{"code":"ok"}}"#
        let account = oauth.account(in: Answer(status: 200, headers: [], body: Array(body.utf8)))
        #expect(account?.id == "afd97af1-demo" && account?.name == "Rye")
        let refused = #"{"data":{},"error":{"code":"access_token_invalid","log_id":"x"}}"#
        #expect(oauth.account(in: Answer(status: 401, headers: [], body: Array(refused.utf8))) == nil)
    }
}
