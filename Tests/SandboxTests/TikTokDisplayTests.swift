import Kit
import Testing

@testable import Sandbox

@Suite("The simulated TikTok: people and videos")
struct TikTokDisplayTests {
    private static let list = "/v2/video/list/?fields=id,create_time,view_count"
    private static let query = "/v2/video/query/?fields=id"

    private func ids(_ answer: TikTokRig.Reply) -> [String] {
        (answer.data["videos"]?.elements ?? []).compactMap { $0.text("id") }
    }

    @Test("a thousand accounts and a hundred thousand videos are computed; nothing of them is kept")
    func population() async throws {
        let rig = try TikTokRig()
        let (people, kept) = rig.keeper.turn { (TikTokBooks(world: $0).people, $0.snapshot().count) }
        let accounts = (0..<TikTokPeople.count).map(people.account)

        let videos = accounts.reduce(0) { $0 + people.videoCount(of: $1) }

        #expect(videos == 100_000)
        #expect(Set(accounts.map(\.openID)).count == 1000 && Set(accounts.map(\.username)).count == 1000)
        #expect(accounts.allSatisfy { people.account(openID: $0.openID)?.index == $0.index })
        #expect(accounts.allSatisfy { people.account(named: $0.username)?.index == $0.index })
        #expect(people.account(openID: "00000000-0000") == nil && people.account(named: "1000") == nil)
        #expect(kept < 10)
    }

    @Test("the same seed gives the same people and videos whenever it starts, another seed others")
    func seeds() throws {
        let later = HandClock()
        later.move(.days(3))
        let rigs = [try TikTokRig(), try TikTokRig(time: later), try TikTokRig(seed: 8)]

        let seen = rigs.map { rig in
            rig.keeper.turn { world -> [String] in
                let people = TikTokBooks(world: world).people
                return [people.account(9).openID, String(people.video(4, of: people.account(8)).id)]
            }
        }

        #expect(seen[0] == seen[1] && seen[0] != seen[2])
    }

    @Test(
        "every video comes once, newest first, whatever the size of a page",
        arguments: [("0", 20, 100), ("1", 20, 20), ("3", 10, 0), ("6", 20, 21), ("8", 7, 349), ("5", 1, 19)])
    func pages(account: String, size: Int, count: Int) async throws {
        let rig = try TikTokRig()
        let token = await rig.access(account)

        var (seen, times, cursor, pages): ([String], [Int64], JSON, Int) = ([], [], .null, 0)
        repeat {
            let body: JSON = cursor.isNull ? ["max_count": JSON(size)] : ["max_count": JSON(size), "cursor": cursor]
            let answer = await rig.post(Self.list, body, token)
            #expect(ids(answer).count <= size)
            seen += ids(answer)
            times += (answer.data["videos"]?.elements ?? []).map { $0.int("create_time") }
            cursor = answer.data["has_more"]?.boolean == true ? answer.data["cursor"] ?? .null : .null
            pages += 1
        } while !cursor.isNull && pages < 500

        #expect(seen.count == count && Set(seen).count == count)
        #expect(times == times.sorted(by: >))
        #expect(pages == max(1, (count + size - 1) / size))
    }

    @Test("a page holds 10 unless said, and a cursor is any moment in milliseconds")
    func cursors() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("8")
        let first = await rig.post(Self.list, .object([]), token)
        let fifth = (first.data["videos"]?.elements ?? [])[4].int("create_time")

        let before = await rig.post(Self.list, ["cursor": JSON((fifth + 1) * 1000), "max_count": 3], token)

        #expect(ids(first).count == 10)
        #expect(Array(ids(before).prefix(1)) == [ids(first)[4]])
        #expect(first.data.int("cursor") > 1_000_000_000_000)
    }

    @Test("of the videos that are asked for by id those of others are left out without a word")
    func query() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("0")
        let own = ids(await rig.post(Self.list, ["max_count": 20], token))
        let foreign = ids(await rig.post(Self.list, ["max_count": 2], await rig.access("1")))

        func asked(_ ids: [String]) async -> TikTokRig.Reply {
            await rig.post(Self.query, ["filters": ["video_ids": .array(ids.map { .string($0) })]], token)
        }

        #expect(
            ids(await asked(Array(own.prefix(2)) + foreign + ["7", "x", "-9223372036854775808"]))
                == Array(own.prefix(2)))
        #expect(ids(await asked(own)).count == 20)
        #expect(await asked(own + own.prefix(1)).code == "invalid_params")
        #expect(await asked([]).code == "invalid_params")
    }

    @Test("counters grow with the clock, by the same numbers for the same seed")
    func counters() async throws {
        let rigs = [try TikTokRig(), try TikTokRig()]
        var seen: [[Int64]] = []

        for rig in rigs {
            let token = await rig.access("2")
            var views: [Int64] = []
            for hours in [0, 1, 20] {
                rig.pass(Int64(hours) * 3600 + 1)
                let videos = await rig.post(Self.list, ["max_count": 1], token).data["videos"]?.elements
                views.append(videos?.first?.int("view_count") ?? -1)
            }
            seen.append(views)
        }

        #expect(seen[0] == seen[1])
        #expect(seen[0] == seen[0].sorted() && seen[0][2] > seen[0][0])
    }

    @Test("a link to a cover dies after six hours")
    func covers() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("0")
        let answer = await rig.post("/v2/video/list/?fields=cover_image_url", ["max_count": 1], token)
        let link = try #require((answer.data["videos"]?.elements ?? []).first?.text("cover_image_url"))
        let target = link.replacing("http://127.0.0.1:1", with: "")

        #expect(await rig.send("GET", target).status == 200)
        #expect(await rig.send("GET", target.replacing("x-expires=1", with: "x-expires=2")).status == 403)
        rig.pass(6 * 3600)
        #expect(await rig.send("GET", target).status == 403)
    }

    @Test("a user's fields come as asked for, each by its scope")
    func user() async throws {
        let rig = try TikTokRig()
        let basic = await rig.access("0", scopes: "user.info.basic")
        let all = await rig.access("0")

        let whole = await rig.get(
            "/v2/user/info/?fields=open_id,union_id,avatar_url,display_name,username,is_verified,"
                + "follower_count,video_count",
            all)
        let beyond = await rig.get("/v2/user/info/?fields=open_id,follower_count", basic)

        #expect(whole.data["user"]?.members?.count == 8)
        #expect(whole.data["user", "video_count"]?.integer == 100)
        #expect(whole.code == "ok" && whole.json["error", "log_id"]?.text?.isEmpty == false)
        #expect(beyond.status == 400 && beyond.code == "scope_permission_missed")
        #expect(await rig.get("/v2/user/info/?fields=open_id", basic).status == 200)
    }

    @Test(
        "what the display API refuses",
        arguments: [
            ("/v2/video/list/", "{}", "invalid_params"), ("/v2/video/list/?fields=id,place", "{}", "invalid_params"),
            ("/v2/video/list/?fields=id", #"{"max_count":21}"#, "invalid_params"),
            ("/v2/video/list/?fields=id", #"{"max_count":0}"#, "invalid_params"),
            ("/v2/video/list/?fields=id", #"{"cursor":"x"}"#, "invalid_params"),
            ("/v2/video/list/?fields=id", #"{"cursor":-1}"#, "invalid_params"),
            ("/v2/video/list/?fields=id", "[]", "invalid_params"), ("/v2/video/list/?fields=id", "{", "invalid_params"),
            ("/v2/video/query/?fields=id", #"{"filters":{"video_ids":[7]}}"#, "invalid_params"),
            ("/v2/video/list?fields=id", "{}", "invalid_params"),
        ])
    func refusals(target: String, body: String, code: String) async throws {
        let rig = try TikTokRig()
        let token = await rig.access("0")

        let answer = await rig.send(
            "POST", target, body,
            headers: [Field("Authorization", "Bearer \(token)"), Field("Content-Type", "application/json")])

        #expect(answer.code == code)
        #expect(answer.status == 400 || answer.status == 404)
    }

    @Test("without a token, with another's scope, or as a form nothing comes")
    func doors() async throws {
        let rig = try TikTokRig()
        let basic = await rig.access("0", scopes: "user.info.basic")

        let form = await rig.send(
            "POST", Self.list, "max_count=2",
            headers: [
                Field("Authorization", "Bearer \(await rig.access("0"))"),
                Field("Content-Type", "application/x-www-form-urlencoded"),
            ])

        #expect(await rig.get("/v2/user/info/?fields=open_id", "act.g.nope").status == 401)
        #expect(await rig.send("GET", "/v2/user/info/?fields=open_id").code == "access_token_invalid")
        let scope = await rig.post(Self.list, .object([]), basic)
        #expect(scope.status == 401 && scope.code == "scope_not_authorized")
        #expect(form.code == "invalid_params")
    }
}
