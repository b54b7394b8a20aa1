import Foundation
import Kit
import Testing

@testable import Sandbox

@Suite("The simulated TikTok: posts")
struct TikTokPostingTests {
    private static let list = "/v2/video/list/?fields=id,title"

    private func listed(_ rig: TikTokRig, _ token: String) async -> [String] {
        (await rig.post(Self.list, ["max_count": 20], token).data["videos"]?.elements ?? []).compactMap {
            $0.text("id")
        }
    }

    @Test("the whole life of a public post: bytes, published, looked at, listed, told of")
    func life() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        #expect(await listed(rig, token).isEmpty)

        let id = await rig.posted(token)
        let sent = await rig.status(id, token)
        rig.pass(3)
        let done = await rig.status(id, token)
        let early = await listed(rig, token)
        rig.pass(20)
        let reply = await rig.post("/v2/post/publish/status/fetch/", ["publish_id": .string(id)], token)

        #expect(sent.text("status") == "PROCESSING_UPLOAD" && sent.int("uploaded_bytes") == 4)
        #expect(
            done.text("status") == "PUBLISH_COMPLETE" && done["publicaly_available_post_id"]?.elements?.isEmpty == true)
        #expect(early.isEmpty)
        let number = try #require((reply.data["publicaly_available_post_id"]?.elements ?? []).first?.numberText)
        #expect((Int64(number) ?? 0) > 1 << 53, "a number, not a text")
        #expect(await listed(rig, token) == [number])
        #expect(rig.told() == ["post.publish.complete", "post.publish.publicly_available"])
        let content = try JSON.parse(rig.events().last?.text("content") ?? "")
        #expect(content.text("post_id") == number && content.text("publish_type") == "DIRECT_PUBLISH")
        #expect(content.text("publish_id") == id)
        #expect(rig.effect("post.published") == 1 && rig.effect("post.duplicate") == 0)
    }

    @Test("a private post has no public id and is not listed")
    func hidden() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")

        let id = await rig.posted(token, info: TikTokRig.info.with("privacy_level", "SELF_ONLY"))
        rig.pass(7200)

        let status = await rig.status(id, token)
        #expect(status.text("status") == "PUBLISH_COMPLETE")
        #expect(status["publicaly_available_post_id"]?.elements?.isEmpty == true)
        #expect(await listed(rig, token).isEmpty)
        #expect(rig.told() == ["post.publish.complete"])
    }

    @Test(
        "a public post is listed at once, a minute late or never",
        arguments: [("at_once", 0), ("minute_late", 60), ("never", -1)])
    func listing(word: String, delay: Int64) async throws {
        let rig = try TikTokRig()
        try rig.set(["listing": .string(word), "processing_seconds": 0, "moderation_seconds": 0])
        let token = await rig.access("3")

        _ = await rig.posted(token)
        let first = await listed(rig, token).count
        rig.pass(59)
        let before = await listed(rig, token).count
        rig.pass(1)
        let after = await listed(rig, token).count

        #expect(first == (delay == 0 ? 1 : 0) && before == first)
        #expect(after == (delay < 0 ? 0 : 1))
    }

    @Test("a draft waits in the inbox until its person finishes it")
    func inbox() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")

        let id = await rig.posted(token, inbox: true)
        rig.pass(7200)
        let waiting = await rig.status(id, token)
        _ = try rig.act(["act": "finish_draft", "publish_id": .string(id)])
        rig.pass(20)

        #expect(id.hasPrefix("v_inbox_file~v2."))
        #expect(waiting.text("status") == "SEND_TO_USER_INBOX")
        #expect(await rig.status(id, token).text("status") == "PUBLISH_COMPLETE")
        #expect(await listed(rig, token).count == 1)
        #expect(
            rig.told() == [
                "post.publish.inbox_delivered", "post.publish.complete", "post.publish.publicly_available",
            ])
        #expect(rig.events().first?.text("content")?.contains(#""publish_type":"INBOX_SHARE""#) == true)
        #expect(throws: BadControl.self) { try rig.act(["act": "finish_draft", "publish_id": .string(id)]) }
    }

    @Test("drafts are finished by themselves where that is set")
    func finishing() async throws {
        let rig = try TikTokRig()
        try rig.set(["inbox_finish_seconds": 30])
        let token = await rig.access("3")

        let id = await rig.posted(token, inbox: true)
        rig.pass(33)

        #expect(await rig.status(id, token).text("status") == "PUBLISH_COMPLETE")
    }

    @Test("a post fails with each reason, told with status 200", arguments: TikTokError.failReasons)
    func failures(reason: String) async throws {
        let rig = try TikTokRig()
        try rig.set(["fail_reason": .string(reason)])
        let token = await rig.access("3")

        let id = await rig.posted(token)
        rig.pass(3600)
        let reply = await rig.post("/v2/post/publish/status/fetch/", ["publish_id": .string(id)], token)

        #expect(reply.status == 200 && reply.code == "ok")
        #expect(reply.data.text("status") == "FAILED" && reply.data.text("fail_reason") == reason)
        #expect(rig.told() == ["post.publish.failed"])
        #expect(rig.events().first?.text("content")?.contains("\"reason\":\"\(reason)\"") == true)
        #expect(rig.effect("post.published") == 0)
    }

    @Test("an init answers with each refusal that is set", arguments: TikTokError.ofInit)
    func refusedInits(code: String) async throws {
        let rig = try TikTokRig()
        try rig.set(["init_error": .string(code)])

        let reply = await rig.begin(await rig.access("3"), source: TikTokRig.file(4))

        #expect(reply.code == code && reply.status == TikTokError.usual[code]?.status)
    }

    @Test("the creator's information refuses with status 200", arguments: TikTokError.ofCreator)
    func creatorErrors(code: String) async throws {
        let rig = try TikTokRig()
        try rig.set(["creator_info_error": .string(code)])

        let reply = await rig.post("/v2/post/publish/creator_info/query/", .object([]), await rig.access("3"))

        #expect(reply.status == 200 && reply.code == code)
    }

    @Test("the creator's choices are those of the account, and others are refused")
    func creator() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("9")
        func levels() async -> [String] {
            (await rig.post("/v2/post/publish/creator_info/query/", .object([]), token)
                .data["privacy_level_options"]?.elements ?? []).compactMap(\.text)
        }

        let closed = await levels()
        let refused = await rig.begin(token, source: TikTokRig.file(4))
        _ = try rig.act(["act": "set_account", "account": "9", "private": false, "duet_disabled": true])
        let open = await levels()

        #expect(closed == ["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"])
        #expect(refused.status == 403 && refused.code == "privacy_level_option_mismatch")
        #expect(open == ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"])
        #expect(await rig.begin(token, source: TikTokRig.file(4)).status == 200)
    }

    @Test("an app without audit posts for the owner of a private account alone, for five people a day")
    func unaudited() async throws {
        let rig = try TikTokRig()
        try rig.set(["audited": false])
        let alone = TikTokRig.info.with("privacy_level", "SELF_ONLY")

        let open = await rig.begin(await rig.access("3"), info: alone, source: TikTokRig.file(4))
        let friends = await rig.begin(
            await rig.access("9"), info: alone.with("privacy_level", "MUTUAL_FOLLOW_FRIENDS"), source: TikTokRig.file(4)
        )
        var statuses: [Int] = []
        for account in ["9", "19", "29", "39", "49", "9", "59"] {
            statuses.append(await rig.begin(await rig.access(account), info: alone, source: TikTokRig.file(4)).status)
        }
        let sixth = await rig.begin(await rig.access("59"), info: alone, source: TikTokRig.file(4))

        #expect(open.code == "unaudited_client_can_only_post_to_private_accounts")
        #expect(friends.code == "unaudited_client_can_only_post_to_private_accounts")
        #expect(statuses == [200, 200, 200, 200, 200, 200, 403])
        #expect(sixth.code == "reached_active_user_cap")
        rig.pass(86_401)
        #expect(await rig.begin(await rig.access("59"), info: alone, source: TikTokRig.file(4)).status == 200)
    }

    @Test(
        "what a direct post must say",
        arguments: [
            (#"{"post_info":{"privacy_level":"SELF_ONLY"}}"#, "invalid_params"),
            (#"{"post_info":{"brand_content_toggle":false}}"#, "invalid_params"), (#"{}"#, "invalid_params"),
            (
                #"{"post_info":{"privacy_level":"NOBODY","brand_content_toggle":false}}"#,
                "privacy_level_option_mismatch"
            ),
        ])
    func incomplete(body: String, code: String) async throws {
        let rig = try TikTokRig()
        let json = try JSON.parse(body).with("source_info", TikTokRig.file(4))

        let reply = await rig.post("/v2/post/publish/video/init/", json, await rig.access("3"))

        #expect(reply.code == code)
    }

    @Test("a title has 2200 UTF-16 units at most: a face counts two")
    func titles() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        func status(_ title: String) async -> Int {
            await rig.begin(token, info: TikTokRig.info.with("title", .string(title)), source: TikTokRig.file(4)).status
        }

        #expect(await status(String(repeating: "🥖", count: 1100)) == 200)
        #expect(await status(String(repeating: "🥖", count: 1101)) == 400)
    }

    @Test("a publish id of nobody or of another is refused; a finished upload cannot be cancelled")
    func ids() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        let id = await rig.posted(token)
        func ask(_ path: String, _ id: String, _ token: String) async -> String? {
            await rig.post("/v2/post/publish/\(path)/", ["publish_id": .string(id)], token).code
        }

        #expect(await ask("status/fetch", "v_pub_file~v2-1.0", token) == "invalid_publish_id")
        let other = await rig.access("4")
        #expect(await ask("status/fetch", id, other) == "token_not_authorized_for_specified_publish_id")
        #expect(await ask("cancel", id, token) == "publish_not_cancellable")
    }

    @Test("a pull wants a verified beginning, https and a name")
    func pulls() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        func code(_ url: String) async -> String? {
            await rig.begin(token, source: ["source": "PULL_FROM_URL", "video_url": .string(url)]).code
        }
        let unverified = await code("https://media.rye.example/a.mp4")
        try rig.set(["verified_prefixes": ["rye.example", "https://cdn.example/films/", "10.0.0.1"]])

        #expect(unverified == "url_ownership_unverified")
        #expect(await code("https://media.rye.example/a.mp4") == "ok")
        #expect(await code("https://notrye.example/a.mp4") == "url_ownership_unverified")
        #expect(await code("https://cdn.example/films/a.mp4") == "ok")
        #expect(await code("https://cdn.example/photos/a.mp4") == "url_ownership_unverified")
        #expect(await code("https://cdn.example.evil.example/films/a.mp4") == "url_ownership_unverified")
        #expect(await code("http://media.rye.example/a.mp4") == "invalid_params")
        #expect(await code("https://u:p@media.rye.example/a.mp4") == "invalid_params")
        #expect(await code("https://10.0.0.1/a.mp4") == "url_ownership_unverified")
        #expect(await code("http://127.0.0.1:9/a.mp4") == "url_ownership_unverified")
    }

    @Test("a pulled file is published; what is not there, is no film or leads elsewhere fails")
    func pulled() async throws {
        let rig = try TikTokRig()
        try rig.set(["verified_prefixes": ["rye.example"], "processing_seconds": 0])
        let token = await rig.access("3")
        let source: JSON = ["source": "PULL_FROM_URL", "video_url": "https://rye.example/a.mp4"]

        func outcome(_ file: FetchedFile) async -> JSON {
            let id = await rig.begin(token, source: source).data.text("publish_id") ?? ""
            let before = await rig.status(id, token).text("status")
            #expect(before == "PROCESSING_DOWNLOAD" && id.hasPrefix("v_pub_url~v2-1."))
            rig.keeper.turn { rig.tiktok.fetched(id, [file], in: $0) }
            return await rig.status(id, token)
        }

        let film = await outcome(FetchedFile(status: 200, type: "video/mp4", count: 9, hash: "h"))
        #expect(film.text("status") == "PUBLISH_COMPLETE" && film.int("downloaded_bytes") == 9)
        #expect(await outcome(FetchedFile()).text("fail_reason") == "video_pull_failed")
        #expect(await outcome(FetchedFile(status: 302)).text("fail_reason") == "video_pull_failed")
        let text = await outcome(FetchedFile(status: 200, type: "text/html", count: 9, hash: "h"))
        #expect(text.text("fail_reason") == "file_format_check_failed")
    }

    @Test("a pull that is cancelled stays so, whatever comes later")
    func cancelled() async throws {
        let rig = try TikTokRig()
        try rig.set(["verified_prefixes": ["rye.example"]])
        let token = await rig.access("3")
        let source: JSON = ["source": "PULL_FROM_URL", "video_url": "https://rye.example/a.mp4"]
        let id = await rig.begin(token, source: source).data.text("publish_id") ?? ""

        let reply = await rig.post("/v2/post/publish/cancel/", ["publish_id": .string(id)], token)
        rig.keeper.turn {
            rig.tiktok.fetched(id, [FetchedFile(status: 200, type: "video/mp4", count: 9, hash: "h")], in: $0)
        }

        #expect(reply.code == "ok" && rig.effect("post.cancelled") == 1)
        #expect(await rig.status(id, token).text("fail_reason") == "publish_cancelled")
        // What has been fetched whole is not given up.
        let other = await rig.begin(token, source: source).data.text("publish_id") ?? ""
        rig.keeper.turn {
            rig.tiktok.fetched(other, [FetchedFile(status: 200, type: "video/mp4", count: 9, hash: "i")], in: $0)
        }
        let late = await rig.post("/v2/post/publish/cancel/", ["publish_id": .string(other)], token)
        #expect(late.code == "publish_not_cancellable")
    }

    @Test("photos are pulled, JPEG and WebP only, and have no place among the videos")
    func photos() async throws {
        let rig = try TikTokRig()
        try rig.set(["verified_prefixes": ["rye.example"], "processing_seconds": 0, "moderation_seconds": 0])
        let token = await rig.access("3")
        let body: JSON = [
            "media_type": "PHOTO", "post_mode": "DIRECT_POST", "post_info": TikTokRig.info,
            "source_info": [
                "source": "PULL_FROM_URL", "photo_cover_index": 1,
                "photo_images": ["https://rye.example/1.jpg", "https://rye.example/2.webp"],
            ],
        ]
        func outcome(_ second: FetchedFile) async -> JSON {
            let id = await rig.post("/v2/post/publish/content/init/", body, token).data.text("publish_id") ?? ""
            #expect(id.hasPrefix("p_pub_url~v2."))
            let first = FetchedFile(status: 200, type: "image/jpeg", count: 5, hash: "a")
            rig.keeper.turn { rig.tiktok.fetched(id, [first, second], in: $0) }
            return await rig.status(id, token)
        }

        let done = await outcome(FetchedFile(status: 200, type: "image/webp", count: 5, hash: "b"))
        #expect(done.text("status") == "PUBLISH_COMPLETE" && done["publicaly_available_post_id"]?.elements?.count == 1)
        #expect(await listed(rig, token).isEmpty)
        let png = await outcome(FetchedFile(status: 200, type: "image/png", count: 5, hash: "b"))
        #expect(png.text("fail_reason") == "file_format_check_failed")
        let large = await outcome(FetchedFile(count: 20_000_001))
        #expect(large.text("fail_reason") == "picture_size_check_failed")
        let spelled = await rig.post(
            "/v2/post/publish/content/init/", body.with("post_mode", "DIRECT POST"), token)
        #expect(spelled.code == "invalid_params")
    }

    @Test("the same film twice for the same person is a duplicate, for another it is none")
    func duplicates() async throws {
        let rig = try TikTokRig()
        let (one, two) = (await rig.access("3"), await rig.access("4"))

        for token in [one, one, two] { _ = await rig.posted(token, film: "same") }
        rig.pass(3)

        #expect(rig.effect("post.published") == 3 && rig.effect("post.duplicate") == 1)
        let byContent = rig.keeper.turn { rig.tiktok.effectsByKey(in: $0) }
        #expect(byContent.members?.count == 1 && byContent.members?.first?.value.int("post.published") == 3)
    }

    @Test("a post whose person has left meanwhile fails")
    func left() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        let id = await rig.posted(token)

        _ = try rig.act(["act": "disconnect", "account": "3", "reason": 2])
        rig.pass(3)

        #expect(await rig.status(id, await rig.access("3")).text("fail_reason") == "auth_removed")
    }

    @Test("a post that its person deletes is gone from the list, and the app is told")
    func withdrawn() async throws {
        let rig = try TikTokRig()
        let token = await rig.access("3")
        let id = await rig.posted(token)
        rig.pass(23)

        _ = try rig.act(["act": "withdraw", "publish_id": .string(id)])

        #expect(await listed(rig, token).isEmpty)
        #expect(rig.told().last == "post.publish.no_longer_publicaly_available")
    }

    @Test("a start goes on where the last one ended: tokens, half an upload, what is due, settings")
    func restart() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("sandbox-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }  // A leftover harms nobody.
        let bytes = [UInt8](repeating: 7, count: 12_000_000)
        let rig = try TikTokRig(file: file)
        try rig.set(["processing_seconds": 60])
        let token = await rig.access("3")
        let begun = await rig.begin(token, source: TikTokRig.file(12_000_000, chunk: 6_000_000, count: 2))
        let (url, id) = (begun.data.text("upload_url") ?? "", begun.data.text("publish_id") ?? "")
        _ = await rig.put(url, "bytes 0-5999999/12000000", Array(bytes[..<6_000_000]))

        let again = try TikTokRig(file: file, time: rig.time)
        let last = await again.put(url, "bytes 6000000-11999999/12000000", Array(bytes[6_000_000...]))
        let third = try TikTokRig(file: file, time: rig.time)
        third.pass(80)

        #expect(last.status == 201)
        #expect(await third.status(id, token).text("status") == "PUBLISH_COMPLETE")
        #expect(await listed(third, token).count == 1)
        var whole = ContentDigest()
        whole.update(bytes)
        #expect(third.keeper.turn { third.tiktok.effectsByKey(in: $0) }[whole.text] != nil)
    }
}
