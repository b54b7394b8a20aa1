import Kit
import Testing

@testable import Sandbox

@Suite("The simulated TikTok: limits, webhooks, settings")
struct TikTokLimitTests {
    @Test("nothing is limited unless it is asked for")
    func unlimited() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")

        for _ in 0..<20 { #expect(await rig.begin(token, source: TikTokRig.file(4)).status == 200) }
        for _ in 0..<20 { #expect(await rig.begin(token, source: TikTokRig.file(4), inbox: true).status == 200) }
    }

    @Test("six inits, twenty creators and thirty statuses a minute and token, over a window that moves")
    func windows() async throws {
        let rig = try TikTokRig()
        try rig.set(["limits": true, "daily_posts": 1000])
        let token = await rig.access("3")
        let id = await rig.begin(token, source: TikTokRig.file(4)).data.text("publish_id") ?? ""
        rig.time.move(.seconds(60))
        func begin() async -> Int { await rig.begin(token, source: TikTokRig.file(4)).status }

        var first: [Int] = []
        for _ in 0..<7 {
            first.append(await begin())
            rig.time.move(.milliseconds(1))
        }
        rig.time.move(.milliseconds(59_992))
        let early = await begin()
        rig.time.move(.milliseconds(1))
        let freed = [await begin(), await begin()]
        #expect(first == [200, 200, 200, 200, 200, 200, 429])
        #expect(early == 429 && freed == [200, 429])

        var others: [Int: Int] = [:]
        for _ in 0..<21 {
            let reply = await rig.post("/v2/post/publish/creator_info/query/", .object([]), token)
            others[reply.status, default: 0] += 1
        }
        for _ in 0..<31 {
            let reply = await rig.post("/v2/post/publish/status/fetch/", ["publish_id": .string(id)], token)
            others[reply.status, default: 0] += 1
            if reply.status == 429 { #expect(reply.headers["Retry-After"] == nil) }
        }
        #expect(others == [200: 50, 429: 2])
        let other = await rig.access("4")
        #expect(await rig.begin(other, source: TikTokRig.file(4)).status == 200)
    }

    @Test("a refused call counts as well: it has arrived")
    func refusedCount() async throws {
        let rig = try TikTokRig()
        try rig.set(["limits": true])
        let token = await rig.access("3")

        for _ in 0..<6 { #expect(await rig.begin(token, source: .object([])).status == 400) }

        #expect(await rig.begin(token, source: TikTokRig.file(4)).status == 429)
    }

    @Test("600 reads a minute for the whole app, each endpoint by itself")
    func reads() async throws {
        let rig = try TikTokRig()
        try rig.set(["limits": true])
        let tokens = [await rig.access("3"), await rig.access("4")]
        var statuses: [Int: Int] = [:]

        for number in 0..<601 {
            let reply = await rig.get("/v2/user/info/?fields=open_id", tokens[number % 2])
            statuses[reply.status, default: 0] += 1
        }

        #expect(statuses == [200: 600, 429: 1])
        #expect(await rig.post("/v2/video/list/?fields=id", .object([]), tokens[0]).status == 200)
    }

    @Test("five drafts at a time; one that is finished frees its place, and so does a day")
    func pending() async throws {
        let rig = try TikTokRig()
        try rig.set(["limits": true])
        let token = await rig.access("3")
        func begin() async -> (Int, String?) {
            rig.pass(61)
            let reply = await rig.begin(token, source: TikTokRig.file(4), inbox: true)
            return (reply.status, reply.code)
        }
        let first = await rig.posted(token, inbox: true)
        for _ in 0..<4 { #expect(await begin().0 == 200) }

        let sixth = await begin()
        _ = try rig.act(["act": "finish_draft", "publish_id": .string(first)])
        let freed = await begin()
        let full = await begin()
        rig.pass(86_400)

        #expect(sixth == (403, "spam_risk_too_many_pending_share"))
        #expect(freed.0 == 200 && full.0 == 403)
        let fresh = await rig.access("3")
        #expect(await rig.begin(fresh, source: TikTokRig.file(4), inbox: true).status == 200)
    }

    @Test("so many posts a creator and day; the creator's information says so first")
    func daily() async throws {
        let rig = try TikTokRig()
        try rig.set(["limits": true, "daily_posts": 2])
        let token = await rig.access("3")

        for _ in 0..<2 { #expect(await rig.begin(token, source: TikTokRig.file(4)).status == 200) }
        let info = await rig.post("/v2/post/publish/creator_info/query/", .object([]), token)
        let third = await rig.begin(token, source: TikTokRig.file(4))

        #expect(info.status == 200 && info.code == "spam_risk_too_many_posts")
        #expect(third.status == 403 && third.code == "spam_risk_too_many_posts")
    }

    // MARK: Webhooks

    @Test("webhooks are signed with the app's secret over the time and the raw body")
    func signature() {
        let body =
            #"{"client_key":"aw_demo","event":"authorization.removed","create_time":1763451100,"#
            + #""user_openid":"open-demo","content":"{\"reason\":1}"}"#
        let time = Timestamp(seconds: 1_763_451_100)

        let header = SimulatedTikTok.signature(Array(body.utf8), "tt-demo-secret", at: time)
        let made = TikTokBooks.event(
            "authorization.removed", of: "open-demo", clientKey: "aw_demo", at: 1_763_451_100, ["reason": 1])

        #expect(header == "t=1763451100,s=218755cd4b594728d906d449f12b8027cac6e7448fda892e3264e00e5589b0a0")
        #expect(String(decoding: made.bytes, as: UTF8.self) == body)
    }

    @Test("what is sent is proven, forged where that is asked for, and its header written as set")
    func webhook() async throws {
        let rig = try TikTokRig()
        try rig.set(["webhook_url": "http://127.0.0.1:9/hooks"])
        _ = await rig.token(["token": await rig.access("3")], path: TikTokTokenEndpoint.revocation)
        let (letters, events) = rig.keeper.turn { ($0.objects(of: Letter.kind), $0.ids(of: "tiktok.event")) }
        let now = rig.time.now

        let sent = try #require(rig.keeper.turn { rig.tiktok.webhook(events[0], to: "callback", in: $0, at: now) })
        try rig.set(["signature_header": "Tiktok-Signature"])
        let other = try #require(rig.keeper.turn { rig.tiktok.webhook(events[0], to: "callback", in: $0, at: now) })

        func isProven(_ webhook: OutgoingWebhook) throws -> Bool {
            let delivery = Delivery(
                method: "POST", target: "/hooks", headers: webhook.headers, body: webhook.body, receivedAt: now)
            let secrets = try rig.tiktok.webhooks.secrets(in: TikTokRig.secret)
            do {
                _ = try rig.tiktok.webhooks.check(delivery, with: secrets)
                return true
            } catch { return false }
        }
        #expect(letters.count == 1 && sent.url == "http://127.0.0.1:9/hooks")
        #expect(try isProven(sent) && isProven(other) && !isProven(sent.forged))
        #expect(other.headers.contains { $0.name == "Tiktok-Signature" })
        #expect(try JSON.parse(sent.body).text("client_key") == "aw_test")
    }

    @Test("nothing is sent where no address is set, and no address beyond this machine is taken")
    func silent() async throws {
        let rig = try TikTokRig()
        _ = await rig.token(["token": await rig.access("3")], path: TikTokTokenEndpoint.revocation)

        #expect(rig.keeper.turn { $0.count(of: Letter.kind) } == 0)
        #expect(rig.told() == ["authorization.removed"])
        #expect(throws: BadControl.self) { try rig.set(["webhook_url": "https://example.com/hook"]) }
    }

    @Test("that a post is available may be told before that it is complete")
    func disorder() async throws {
        let rig = try TikTokRig()
        try rig.set(["available_before_complete": true])

        _ = await rig.posted(await rig.access("3"))
        rig.pass(3)

        #expect(rig.told() == ["post.publish.publicly_available", "post.publish.complete"])
    }

    @Test("every documented event has a sample, changed in its content or in itself")
    func samples() throws {
        #expect(TikTokSamples.all.count == 9)
        for sample in TikTokSamples.all {
            let event = try sample.event(
                seed: 7, at: Timestamp(seconds: 1_763_451_100),
                changes: [("publish_id", "v_pub_file~v2-1.9"), ("event.user_openid", "open-9")])
            let content = try JSON.parse(try #require(event.text("content")))
            #expect(event.text("event") == sample.type && event.int("create_time") == 1_763_451_100)
            #expect(content.text("publish_id") == "v_pub_file~v2-1.9" && event.text("user_openid") == "open-9")
            #expect(
                try event
                    == sample.event(
                        seed: 7, at: Timestamp(seconds: 1_763_451_100),
                        changes: [
                            ("publish_id", "v_pub_file~v2-1.9"), ("event.user_openid", "open-9"),
                        ]))
        }
    }

    // MARK: Settings and acts

    @Test(
        "a setting that is unknown or impossible is refused with a sentence, and nothing is set",
        arguments: [
            #"{"no_such":1}"#, #"{"audited":"yes"}"#, #"{"daily_posts":0}"#, #"{"listing":"soon"}"#,
            #"{"verified_prefixes":"x"}"#, #"{"pull_origin":"https://example.com"}"#, "[]",
            #"{"audited":false,"listing":"soon"}"#,
        ])
    func badSettings(json: String) throws {
        let rig = try TikTokRig()
        let before = rig.keeper.turn { $0.settings(of: rig.tiktok) }

        #expect(throws: BadControl.self) { try rig.set(JSON.parse(json)) }

        #expect(rig.keeper.turn { $0.settings(of: rig.tiktok) } == before)
    }

    @Test("null makes a setting usual again, and each has one that its own check takes")
    func usual() throws {
        let rig = try TikTokRig()
        try rig.set(["listing": "never", "fail_reason": "internal"])
        try rig.set(["listing": .null, "fail_reason": .null])

        let now = rig.keeper.turn { $0.settings(of: rig.tiktok) }

        #expect(now.text("listing") == "at_once" && now["fail_reason"]?.isNull == true)
        for setting in TikTokSettings.all { #expect(throws: Never.self) { try setting.check(setting.usual) } }
        #expect(Set(TikTokSettings.all.map(\.name)).count == TikTokSettings.all.count)
    }

    @Test(
        "an act that cannot be done is refused with a sentence",
        arguments: [
            #"{"act":"dance"}"#, #"{"act":"disconnect","account":"nobody"}"#, #"{"act":"finish_draft"}"#,
            #"{"act":"disconnect","account":"1","reason":9}"#, #"{"act":"set_account","account":"1","private":1}"#,
        ])
    func badActs(json: String) throws {
        let rig = try TikTokRig()

        #expect(throws: BadControl.self) { try rig.act(JSON.parse(json)) }
    }

    @Test("the same seed and the same calls give the same tokens, ids and addresses")
    func determinism() async throws {
        var seen: [[String?]] = []
        for seed in [7, 7, 8] as [UInt64] {
            let rig = try TikTokRig(seed: seed)
            let token = await rig.access("3")
            let begun = await rig.begin(token, source: TikTokRig.file(4))
            seen.append([token, begun.data.text("publish_id"), begun.data.text("upload_url")])
        }

        #expect(seen[0] == seen[1] && seen[0] != seen[2])
    }

    @Test("faults speak in TikTok's shape: a failure with status 200, a proxy's page, half a body")
    func faults() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        func fault(_ json: String) throws -> Fault { try Fault(JSON.parse(json), platforms: ["tiktok"]) }
        func ask() async -> TikTokRig.Reply { await rig.get("/v2/user/info/?fields=open_id", token) }

        rig.switches.set([try fault(#"{"platform":"tiktok","times":1,"status":429}"#)])
        let limited = await ask()
        rig.switches.set([try fault(#"{"platform":"tiktok","times":1,"status":200,"code":"internal_error"}"#)])
        let quiet = await ask()
        rig.switches.set([
            try fault(#"{"platform":"tiktok","times":1,"status":502,"body":"<html>Bad Gateway</html>"}"#)
        ])
        let page = await ask()
        rig.switches.set([try fault(#"{"platform":"tiktok","times":1,"truncate":true}"#)])
        let half = await ask()
        rig.switches.set([try fault(#"{"platform":"tiktok","times":1,"status":503,"fails":"after"}"#)])
        let tokens = await rig.token(["grant_type": "client_credentials"])

        #expect(limited.status == 429 && limited.code == "rate_limit_exceeded" && limited.headers["Retry-After"] == nil)
        #expect(quiet.status == 200 && quiet.code == "internal_error")
        #expect(page.status == 502 && String(decoding: page.body, as: UTF8.self) == "<html>Bad Gateway</html>")
        #expect(half.status == 200 && half.json.isNull && !half.body.isEmpty)
        #expect(tokens.status == 503 && tokens.json.text("error") == "temporarily_unavailable", "flat there")
        #expect(await ask().code == "ok")
    }
}
