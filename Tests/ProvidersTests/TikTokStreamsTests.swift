import Kit
import Testing
import TikTok

/// Exchanges as TikTok's documents show them, made by hand: nothing here comes from a simulator.
/// Source: developers.tiktok.com/doc/tiktok-api-v2-video-list, …/tiktok-api-v2-video-query,
/// …/tiktok-api-v2-get-user-info, …/tiktok-api-v2-error-handling.
@Suite("What TikTok's lists say")
struct TikTokStreamsTests {
    private let tiktok = TikTok()
    private let question = StreamQuestion(account: "afd97af1", scopes: ["user.info.basic", "video.list"])

    private func stream(_ name: String) throws -> SyncStream {
        try #require(tiktok.streams.first { $0.name == name })
    }
    private func answer(_ body: String, status: Int = 200, headers: [Field] = []) -> Answer {
        Answer(status: status, headers: headers, body: Array(body.utf8))
    }
    private func read(_ body: String, _ name: String = "videos") throws -> StreamPage {
        let call = try stream(name).list(question)
        #expect(tiktok.failure(in: answer(body), at: .zero) == nil)
        return try call.read(answer(body))
    }
    private func value(_ column: String, _ row: StreamRow, of name: String = "videos") throws -> RecordValue? {
        let index = try #require(try stream(name).table.columns.firstIndex { $0.name == column })
        return row.values[index]
    }

    // MARK: Questions

    @Test("the list is a POST with its fields in the query, twenty a page, and the cursor as a number")
    func listQuestion() throws {
        var next = question
        next.cursor = "1643332803000"
        let outgoing = try stream("videos").list(next).outgoing
        #expect(outgoing.method == .post && outgoing.repeating == .always)
        #expect(
            outgoing.path.description == "/v2/video/list/?fields=id,create_time,title,video_description,duration,"
                + "height,width,cover_image_url,share_url,embed_html,embed_link,like_count,comment_count,share_count,"
                + "view_count")
        #expect(outgoing.path.template == "/v2/video/list/")
        #expect(String(decoding: outgoing.body, as: UTF8.self) == #"{"max_count":20,"cursor":1643332803000}"#)
        #expect(outgoing.headers["Content-Type"] == "application/json; charset=UTF-8")
        #expect(outgoing.spends == [Spending(1, of: "video_list")])
        #expect(
            String(decoding: try stream("videos").list(question).outgoing.body, as: UTF8.self) == #"{"max_count":20}"#)
    }

    @Test("many ids are asked for in one call, as texts")
    func lookupQuestion() throws {
        let lookup = try #require(try stream("videos").lookup)
        let outgoing = lookup.call(["7400000000000000001", "7400000000000000002"], question).outgoing
        #expect(lookup.idsMax == 20)
        #expect(outgoing.path.template == "/v2/video/query/" && outgoing.repeating == .always)
        #expect(
            String(decoding: outgoing.body, as: UTF8.self)
                == #"{"filters":{"video_ids":["7400000000000000001","7400000000000000002"]}}"#)
    }

    @Test("of a profile only those fields are asked for that were granted")
    func fields() throws {
        func path(_ scopes: [String]) throws -> String {
            let asked = StreamQuestion(account: "a", scopes: scopes)
            return try stream("profile").list(asked).outgoing.path.description
        }
        #expect(
            try path(["user.info.basic"])
                == "/v2/user/info/?fields=open_id,union_id,avatar_url,avatar_url_100,avatar_large_url,display_name")
        #expect(try path(["user.info.basic", "user.info.stats"]).hasSuffix("likes_count,video_count"))
    }

    // MARK: Answers

    private static let documented = #"""
        {"data":{"videos":[{"id":"7400000000000000001","create_time":1763451000,"title":"Rye is back","duration":21,
        "view_count":6021,"like_count":188,"comment_count":4,"share_count":12,
        "cover_image_url":"https://p16-sign.tiktokcdn-us.com/demo.image?x-expires=1763472600"}],
        "cursor":1763451000000,"has_more":false},"error":{"code":"ok","message":"","log_id":"20261118073000DEMO"}}
        """#

    @Test("the documented page reads as it stands there")
    func page() throws {
        let page = try read(Self.documented)
        let row = try #require(page.rows.first)
        #expect(page.rows.count == 1 && page.next == .end)
        #expect(row.key == "7400000000000000001" && row.at == Timestamp(seconds: 1_763_451_000))
        #expect(try value("view_count", row) == .integer(6021))
        #expect(try value("title", row) == .text("Rye is back"))
        #expect(try value("height", row) == nil, "what is not said is not null")
    }

    @Test("an id that comes as a number keeps all its digits")
    func longID() throws {
        let page = try read(
            #"{"data":{"videos":[{"id":7412345678901234567,"create_time":1}],"has_more":false},"error":{"code":"ok"}}"#)
        #expect(page.rows.map(\.key) == ["7412345678901234567"])
    }

    @Test("counts may be missing, null, or larger than 32 bits")
    func counts() throws {
        let page = try read(
            #"""
            {"data":{"videos":[{"id":"1","like_count":null,"view_count":9007199254740993}],"has_more":false},
            "error":{"code":"ok"}}
            """#)
        let row = try #require(page.rows.first)
        #expect(try value("like_count", row) == .null && (try value("share_count", row)) == nil)
        #expect(try value("view_count", row) == .integer(9_007_199_254_740_993))
    }

    @Test("an empty page may say that there is more; more without a cursor is a loss")
    func empty() throws {
        let more = #"{"data":{"videos":[],"cursor":1763451000000,"has_more":true},"error":{"code":"ok"}}"#
        #expect(try read(more) == StreamPage(rows: [], next: .page("1763451000000")))
        let none = #"{"data":{"videos":[],"cursor":0,"has_more":false},"error":{"code":"ok"}}"#
        #expect(try read(none) == StreamPage(rows: [], next: .end))
        let lost = #"{"data":{"videos":[],"has_more":true},"error":{"code":"ok"}}"#
        #expect(try read(lost).next == .lost)
    }

    @Test(
        "what is no page is unreadable, and says why",
        arguments: [
            (#"{"error":{"code":"ok"}}"#, "data is missing."), (#"{"data":{"videos":[{"id":"1""#, "Not JSON at byte"),
            (#"{"data":{}}"#, "data.videos is missing."),
            (#"{"data":{"cursor":0,"has_more":false}}"#, "data.videos is missing."),
            (#"{"data":{"videos":null,"has_more":false}}"#, "data.videos is missing."),
            (#"{"data":{"videos":[]}}"#, "data.has_more is missing."),
            (#"{"data":{"videos":[{"title":"x"}]}}"#, "id is missing."),
            (#"{"data":{"videos":[{"id":""}]}}"#, "id is missing."),
            (#"{"data":{"videos":[{"id":"1","view_count":"many"}]}}"#, "view_count is not a whole number."),
            (#"{"data":{"videos":[{"id":"1","create_time":1.5}]}}"#, "create_time is not a time."),
        ])
    func unreadable(body: String, reason: String) throws {
        let call = try stream("videos").list(question)
        do {
            _ = try call.read(answer(body))
            Issue.record("it was read")
        } catch { #expect(error.reason.hasPrefix(reason), "\(error.reason)") }
    }

    @Test("a profile is one row by its open id")
    func profile() throws {
        let page = try read(
            #"""
            {"data":{"user":{"open_id":"723f24d7-e717-40f8-a2b6-cb8464cd23b4","display_name":"Tiktok é",
            "is_verified":true,"follower_count":232}},"error":{"code":"ok","message":"",
            "log_id":"20220829194722CBE87ED59D524E727021"}}
            """#, "profile")
        let row = try #require(page.rows.first)
        #expect(row.key == "723f24d7-e717-40f8-a2b6-cb8464cd23b4")
        #expect(try value("is_verified", row, of: "profile") == .boolean(true))
        #expect(try value("follower_count", row, of: "profile") == .integer(232))
    }

    // MARK: Failures

    @Test(
        "the code counts before the status",
        arguments: [
            (200, "rate_limit_exceeded", Failure.Kind.throttled(retryAfter: .seconds(60)), Failure.Actor.provider),
            (200, "internal_error", .unavailable(retryAfter: nil), .provider),
            (401, "access_token_invalid", .unauthorized, .yourUser),
            (401, "scope_not_authorized", .forbidden, .yourUser),
            (400, "scope_permission_missed", .forbidden, .yourUser), (400, "invalid_params", .refused, .operator),
            (400, "invalid_param", .refused, .operator), (200, "something_new", .refused, .you),
            (503, "something_new", .unavailable(retryAfter: nil), .provider),
        ])
    func failures(status: Int, code: String, kind: Failure.Kind, who: Failure.Actor) throws {
        let body = #"{"data":{},"error":{"code":"\#(code)","message":"m","log_id":"l"}}"#
        let failure = try #require(tiktok.failure(in: answer(body, status: status), at: .zero))
        #expect(failure.kind == kind && failure.who == who && failure.code == code)
        #expect(!failure.message.contains("\"m\""))
    }

    @Test("what is no JSON is judged by its status, and Retry-After is obeyed")
    func html() throws {
        let bad = try #require(tiktok.failure(in: answer("<html>Bad Gateway</html>", status: 502), at: .zero))
        #expect(bad.kind == .unavailable(retryAfter: nil) && bad.passes)
        let many = answer("", status: 429, headers: [Field("Retry-After", "7")])
        #expect(tiktok.failure(in: many, at: .zero)?.kind == .throttled(retryAfter: .seconds(7)))
        #expect(tiktok.failure(in: answer("<html>", status: 200), at: .zero) == nil)
    }
}
