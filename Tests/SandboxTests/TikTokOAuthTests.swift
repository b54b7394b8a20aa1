import Kit
import Testing

@testable import Sandbox

@Suite("The simulated TikTok: consent and tokens")
struct TikTokOAuthTests {
    @Test("a person who consents leads back with a code, the scopes and the state; the code is good once")
    func consent() async throws {
        let rig = try TikTokRig()

        let back = await rig.consent("account=3", scopes: "user.info.basic,video.list")
        let code = try #require(back["code"]?.text)
        let fields = ["grant_type": "authorization_code", "code": code, "redirect_uri": TikTokRig.redirect]
        let first = await rig.token(fields)
        let second = await rig.token(fields)

        #expect(back["scopes"]?.text == "user.info.basic,video.list")
        #expect(back["state"]?.text == "s-1")
        #expect(code.contains("*") && code.contains("!"))
        #expect(first.json.text("scope") == "user.info.basic,video.list")
        #expect(first.json.text("access_token")?.hasPrefix("act.") == true)
        #expect(first.json.text("refresh_token")?.hasPrefix("rft.") == true)
        #expect(first.json.int("expires_in") == 86_400 && first.json.int("refresh_expires_in") == 31_536_000)
        #expect(first.json.text("open_id") == rig.keeper.turn { TikTokBooks(world: $0).people.account(3).openID })
        #expect(second.status == 200)
        #expect(second.json.text("error") == "invalid_grant")
    }

    @Test("a code lives ten minutes")
    func codeLife() async throws {
        let rig = try TikTokRig()
        let code = await rig.consent("account=0")["code"]?.text ?? ""

        rig.pass(600)
        let late = await rig.token([
            "grant_type": "authorization_code", "code": code, "redirect_uri": TikTokRig.redirect,
        ])

        #expect(late.json.text("error") == "invalid_grant")
    }

    @Test(
        "what is wrong about the question is told to the person or to the app",
        arguments: [
            (["client_key": "aw_other"], nil), (["redirect_uri": "http://127.0.0.1:8484/callback/tiktok?x=1"], nil),
            (["redirect_uri": "https://elsewhere.example/"], nil),
            (["response_type": "token"], "unsupported_response_type"),
            (["state": nil], "invalid_request"), (["scope": "user.info.basic video.list"], "invalid_scope"),
            (["scope": "video.steal"], "invalid_scope"),
            (["code_challenge": "abc", "code_challenge_method": "plain"], "invalid_request"),
        ] as [([String: String?], String?)])
    func badQuestions(changes: [String: String?], error: String?) async throws {
        let rig = try TikTokRig()

        let answer = await rig.send("GET", rig.authorizeTarget(changes: changes))

        #expect(answer.status == (error == nil ? 400 : 302))
        if let error { #expect(answer.headers["Location"]?.contains("error=\(error)") == true) }
    }

    @Test("a registered address counts exactly, its final slash too")
    func redirects() async throws {
        let rig = try TikTokRig()
        try rig.set(["redirect_uris": ["https://rye.example/callback/tiktok/"]])

        func status(_ address: String) async -> Int {
            await rig.send("GET", rig.authorizeTarget(changes: ["redirect_uri": address])).status
        }

        #expect(await status("https://rye.example/callback/tiktok/") == 200)
        #expect(await status("https://rye.example/callback/tiktok") == 400)
        #expect(await status(TikTokRig.redirect) == 400)
        #expect(throws: BadControl.self) { try rig.set(["redirect_uris": ["http://rye.example/"]]) }
        #expect(throws: BadControl.self) { try rig.set(["redirect_uris": ["https://rye.example/*"]]) }
    }

    @Test("denied, unticked and unknown: what the person does is what comes back")
    func choices() async throws {
        let rig = try TikTokRig()

        let denied = await rig.consent("decision=deny")
        let some = await rig.consent("account=1&ticked=1&grant%5Bvideo.list%5D=on")
        let named = await rig.consent("account=1&scopes=video.list,video.publish")
        let nobody = await rig.send("POST", rig.authorizeTarget(), "account=nobody")

        #expect(denied["error"]?.text == "access_denied" && denied["code"] == nil && denied["state"]?.text == "s-1")
        #expect(some["scopes"]?.text == "video.list")
        #expect(named["scopes"]?.text == "video.list,video.publish")
        #expect(nobody.status == 400)
    }

    @Test("a page of another site consents to nothing")
    func strangers() async throws {
        let rig = try TikTokRig()

        let answer = await rig.send(
            "POST", rig.authorizeTarget(), "account=0", headers: [Field("Origin", "https://evil.example")])

        #expect(answer.status == 403)
        #expect(rig.effect("consent.given") == 0)
    }

    @Test("the page names the scopes that are asked for, escaped and without script")
    func page() async throws {
        let rig = try TikTokRig()

        let page = await rig.send("GET", rig.authorizeTarget(scopes: "user.info.basic,video.list"))
        let text = String(decoding: page.body, as: UTF8.self)

        #expect(page.status == 200)
        #expect(text.contains("grant[user.info.basic]") && text.contains("grant[video.list]"))
        #expect(!text.contains("grant[video.publish]") && !text.contains("<script"))
    }

    @Test("a session that has consented needs no page, unless the page is asked for")
    func signedIn() async throws {
        let rig = try TikTokRig()
        try rig.set(["signed_in_as": "2"])

        #expect(await rig.send("GET", rig.authorizeTarget()).status == 302)
        #expect(await rig.send("GET", rig.authorizeTarget(changes: ["disable_auto_auth": "1"])).status == 200)
    }

    @Test("a challenge is small hex of SHA-256; base64url is refused")
    func pkce() async throws {
        let rig = try TikTokRig()
        let vectors = try #require(try TikTokRig.vector("pkce-hex.json").elements)
        #expect(vectors.count >= 4)

        for vector in vectors {
            let verifier = try #require(vector.text("verifier"))
            for (challenge, isGood) in [
                (vector.text("challenge_hex"), true), (vector.text("challenge_base64url_refused_by_tiktok"), false),
            ] {
                let code = await rig.consent(
                    "account=0", changes: ["code_challenge": challenge, "code_challenge_method": "S256"])["code"]?.text
                let answer = await rig.token([
                    "grant_type": "authorization_code", "code": code ?? "", "redirect_uri": TikTokRig.redirect,
                    "code_verifier": verifier,
                ]).json
                #expect((answer.text("access_token") != nil) == isGood)
                if !isGood { #expect(answer.text("error") == "invalid_request") }
            }
        }
    }

    @Test("with a challenge the verifier is needed, without one it is not looked at")
    func verifiers() async throws {
        let rig = try TikTokRig()
        let challenge = TikTokBooks.challenge("v")
        let with = await rig.consent("", changes: ["code_challenge": challenge, "code_challenge_method": "S256"])
        let without = await rig.consent("")

        func answer(_ form: Form, _ more: [String: String]) async -> JSON {
            let fields = [
                "grant_type": "authorization_code", "code": form["code"]?.text ?? "",
                "redirect_uri": TikTokRig.redirect,
            ]
            return await rig.token(fields.merging(more) { $1 }).json
        }

        #expect(await answer(with, [:]).text("error") == "invalid_request")
        #expect(await answer(without, ["code_verifier": "anything"]).text("access_token") != nil)
    }

    @Test(
        "what the token endpoint refuses, and with which word",
        arguments: [
            (["client_secret": "wrong", "grant_type": "client_credentials"], "invalid_client"),
            (["client_key": "wrong", "grant_type": "client_credentials"], "invalid_client"),
            (["grant_type": "password"], "unsupported_grant_type"), ([:], "invalid_request"),
            (["grant_type": "authorization_code", "code": "nope", "redirect_uri": "x"], "invalid_grant"),
            (["grant_type": "authorization_code", "code": "nope"], "invalid_request"),
            (["grant_type": "refresh_token", "refresh_token": "rft.g.x"], "invalid_grant"),
        ] as [([String: String], String)])
    func refusals(fields: [String: String], error: String) async throws {
        let rig = try TikTokRig()

        let quiet = await rig.token(fields)
        try rig.set(["token_errors_are_200": false])
        let loud = await rig.token(fields)

        #expect(quiet.status == 200 && quiet.json.text("error") == error)
        #expect(loud.status == (error == "invalid_client" ? 401 : 400) && loud.json.text("error") == error)
        #expect(quiet.json.text("error_description") != nil && quiet.json.text("log_id") != nil)
    }

    @Test("tokens are asked for by a form; JSON is refused")
    func json() async throws {
        let rig = try TikTokRig()

        let answer = await rig.send(
            "POST", TikTokTokenEndpoint.token, "{}", headers: [Field("Content-Type", "application/json")])

        #expect(answer.json.text("error") == "invalid_request")
    }

    @Test("the redirect address of the exchange is that of the question, byte for byte")
    func otherRedirect() async throws {
        let rig = try TikTokRig()
        let code = await rig.consent("")["code"]?.text ?? ""

        let answer = await rig.token([
            "grant_type": "authorization_code", "code": code, "redirect_uri": TikTokRig.redirect + "/",
        ])

        #expect(answer.json.text("error") == "invalid_grant")
    }

    @Test("each refresh gives a new refresh token; the former one is good for the time of grace")
    func refreshes() async throws {
        let rig = try TikTokRig()
        let first = await rig.connect().text("refresh_token") ?? ""

        let second = await rig.refresh(first).text("refresh_token") ?? ""
        let again = await rig.refresh(first).text("refresh_token") ?? ""
        rig.pass(301)

        #expect(Set([first, second, again]).count == 3)
        #expect(await rig.refresh(first).text("error") == "invalid_grant")
        #expect(await rig.refresh(second).text("error") == "invalid_grant")
        #expect(await rig.refresh(again).text("refresh_token") != nil)
        #expect(rig.effect("token.refreshed") == 3 && rig.effect("token.issued") == 1)
    }

    @Test("without grace the former refresh token is dead at once")
    func noGrace() async throws {
        let rig = try TikTokRig()
        try rig.set(["refresh_grace_seconds": 0])
        let first = await rig.connect().text("refresh_token") ?? ""

        #expect(await rig.refresh(first).text("refresh_token") != nil)
        #expect(await rig.refresh(first).text("error") == "invalid_grant")
    }

    @Test("access tokens end after a day, refresh tokens after a year, by the sandbox's clock")
    func ends() async throws {
        let rig = try TikTokRig()
        let tokens = await rig.connect()
        let access = tokens.text("access_token") ?? ""
        let target = "/v2/user/info/?fields=open_id"

        rig.pass(86_399)
        #expect(await rig.get(target, access).status == 200)
        rig.pass(1)
        #expect(await rig.get(target, access).code == "access_token_invalid")
        rig.pass(364 * 86_400)
        #expect(await rig.refresh(tokens.text("refresh_token") ?? "").text("error") == "invalid_grant")
    }

    @Test("a revoked consent is dead, the app is told, and an unknown token is no error")
    func revocation() async throws {
        let rig = try TikTokRig()
        let tokens = await rig.connect()
        let access = tokens.text("access_token") ?? ""

        let unknown = await rig.token(["token": "act.none.x"], path: TikTokTokenEndpoint.revocation)
        let known = await rig.token(["token": access], path: TikTokTokenEndpoint.revocation)

        #expect(unknown.status == 200 && known.status == 200 && known.body.isEmpty)
        #expect(await rig.get("/v2/user/info/?fields=open_id", access).status == 401)
        #expect(await rig.refresh(tokens.text("refresh_token") ?? "").text("error") == "invalid_grant")
        #expect(rig.told() == ["authorization.removed"])
        #expect(rig.events().first?.text("content") == #"{"reason":5}"#)
        #expect(rig.effect("token.revoked") == 1)
    }

    @Test("a person who disconnects ends every consent, and the app is told once")
    func disconnect() async throws {
        let rig = try TikTokRig()
        let (one, two) = (await rig.access("4"), await rig.access("4"))
        let other = await rig.access("5")

        let done = try rig.act(["act": "disconnect", "account": "4"])

        #expect(done.int("ended") == 2)
        for token in [one, two] { #expect(await rig.get("/v2/user/info/?fields=open_id", token).status == 401) }
        #expect(await rig.get("/v2/user/info/?fields=open_id", other).status == 200)
        #expect(rig.told() == ["authorization.removed"])
        #expect(rig.events().first?.text("content") == #"{"reason":1}"#)
    }

    @Test("an app's own token opens nothing that is simulated")
    func clientToken() async throws {
        let rig = try TikTokRig()

        let token = await rig.token(["grant_type": "client_credentials"]).json

        #expect(token.text("access_token")?.hasPrefix("clt.") == true && token.int("expires_in") == 7200)
        #expect(await rig.get("/v2/user/info/?fields=open_id", token.text("access_token") ?? "").status == 401)
    }
}
