import Kit
import Testing

@testable import Sandbox

@Suite("The simulated TikTok: uploads")
struct TikTokUploadTests {
    @Test("every plan of the vectors is taken chunk by chunk with the answers that they name")
    func plans() async throws {
        let rig = try TikTokRig()
        let token = await rig.access()
        let vectors = try TikTokRig.vector("chunk-plans.json")
        let plans = (vectors["plans"]?.elements ?? []) + [vectors["official_example"] ?? .null]
        #expect(plans.count > 10)

        for plan in plans {
            let parts = try #require(plan["parts"]?.elements)
            let begun = await rig.begin(
                token,
                source: TikTokRig.file(
                    plan.int("video_size"), chunk: plan.int("chunk_size"), count: plan.int("total_chunk_count")))
            #expect(begun.status == 200, "\(plan.int("video_size")): \(begun.code ?? "")")
            // One of them is too long to be written out.
            guard parts.allSatisfy({ $0.members != nil }) else { continue }
            for part in parts {
                let range = try #require(part.text("content_range"))
                let count = Self.length(range)
                #expect(count != nil)
                let answer = await rig.put(begun.data.text("upload_url") ?? "", range, count: count)
                #expect(answer.status == Int(part.int("status")))
                let end = try #require(range.dropFirst(6).split(separator: "-").last)
                #expect(answer.headers["Content-Range"] == "bytes 0-\(end)")
            }
        }
    }

    @Test("the plans that must be refused are")
    func badPlans() async throws {
        let rig = try TikTokRig()
        let token = await rig.access()
        let plans = try #require(try TikTokRig.vector("chunk-plans.json")["must_be_refused"]?.elements)
        #expect(plans.count >= 5)

        for plan in plans {
            let answer = await rig.begin(
                token,
                source: TikTokRig.file(
                    plan.int("video_size"), chunk: plan.int("chunk_size"), count: plan.int("total_chunk_count")))
            #expect(answer.status == 400 && answer.code == "invalid_param", "\(plan.text("why") ?? "")")
        }
        #expect(rig.effect("init.video") == 0)
    }

    @Test("the same content has the same hash however it is cut, and a restart goes on with it")
    func digest() {
        let bytes = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var whole = ContentDigest()
        whole.update(bytes)
        var parts = ContentDigest()
        for start in stride(from: 0, to: bytes.count, by: 777) {
            parts.update(bytes[start..<min(bytes.count, start + 777)])
            parts = ContentDigest(parts.json)
        }
        var other = ContentDigest()
        other.update(bytes.dropLast())

        #expect(whole.text == parts.text)
        #expect(whole.text != other.text)
    }

    @Test("a chunk that was begun before the one in front of it ended is asked for again, and the hash stays")
    func twoUnderWay() async throws {
        let rig = try TikTokRig()
        let (token, size) = (await rig.access(), 11 << 20)
        let film = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let chunk = size / 2
        let source = TikTokRig.file(Int64(size), chunk: Int64(chunk), count: 2)
        let begun = await rig.begin(token, source: source)
        let url = begun.data.text("upload_url") ?? ""
        let (first, last) = ("bytes 0-\(chunk - 1)/\(size)", "bytes \(chunk)-\(size - 1)/\(size)")

        let tooEarly = await rig.put(url, last, Array(film[chunk...])) {
            #expect(await rig.put(url, first, Array(film[..<chunk])).status == 206)
        }
        #expect(tooEarly.status == 416)
        #expect(await rig.put(url, last, Array(film[chunk...])).status == 201)

        var whole = ContentDigest()
        whole.update(film)
        let id = begun.data.text("publish_id") ?? ""
        #expect(rig.keeper.turn { TikTokBooks(world: $0).post(id)?.json.text("hash") } == whole.text)
    }

    @Test(
        "what the upload host refuses",
        arguments: [
            ("bytes 0-3/4", "video/mp4", 3, 400), ("bytes 0-3/5", "video/mp4", 4, 400), ("0-3/4", "video/mp4", 4, 400),
            ("bytes 0-2/4", "video/mp4", 3, 400), ("bytes 0-3/4", "text/plain", 4, 400), ("", "video/mp4", 4, 400),
            ("bytes 1-3/4", "video/mp4", 3, 416), ("bytes 0-3/4", "video/webm", 4, 201),
            ("bytes 3-0/4", "video/mp4", 4, 400), ("bytes 0-99999999999999999999/4", "video/mp4", 4, 400),
        ])
    func refusals(range: String, type: String, length: Int64, status: Int) async throws {
        let rig = try TikTokRig()
        let begun = await rig.begin(await rig.access(), source: TikTokRig.file(4))

        let answer = await rig.put(begun.data.text("upload_url") ?? "", range, count: length, type: type)

        #expect(answer.status == status)
    }

    @Test("an unknown upload is 404, a wrong token 403, and after an hour all is 403")
    func addresses() async throws {
        let rig = try TikTokRig()
        let begun = await rig.begin(await rig.access(), source: TikTokRig.file(4))
        let url = begun.data.text("upload_url") ?? ""

        #expect(url.utf8.count <= 256 && begun.data.text("publish_id")?.hasPrefix("v_pub_file~v2-1.") == true)
        #expect(await rig.put("/video/?upload_id=1&upload_token=x", "bytes 0-3/4", count: 4).status == 404)
        #expect(await rig.put(url + "x", "bytes 0-3/4", count: 4).status == 403)
        rig.pass(3600)
        #expect(await rig.put(url, "bytes 0-3/4", count: 4).status == 403)
    }

    @Test("chunks come in order; one that was there is told what is, and counted")
    func sequence() async throws {
        let rig = try TikTokRig()
        let token = await rig.access()
        let begun = await rig.begin(token, source: TikTokRig.file(12_000_000, chunk: 6_000_000, count: 2))
        let url = begun.data.text("upload_url") ?? ""

        let early = await rig.put(url, "bytes 6000000-11999999/12000000", count: 6_000_000)
        let first = await rig.put(url, "bytes 0-5999999/12000000", count: 6_000_000)
        let again = await rig.put(url, "bytes 0-5999999/12000000", count: 6_000_000)
        let short = await rig.put(url, "bytes 6000000-8999999/12000000", count: 3_000_000)
        let status = await rig.status(begun.data.text("publish_id") ?? "", token)
        let last = await rig.put(url, "bytes 6000000-11999999/12000000", count: 6_000_000)

        #expect(early.status == 416 && early.headers["Content-Range"] == "bytes */12000000")
        #expect(first.status == 206 && first.headers["Content-Range"] == "bytes 0-5999999/12000000")
        #expect(again.status == 416 && again.headers["Content-Range"] == "bytes 0-5999999/12000000")
        #expect(short.status == 400)
        #expect(status.text("status") == "PROCESSING_UPLOAD" && status.int("uploaded_bytes") == 6_000_000)
        #expect(last.status == 201)
        #expect(rig.effect("chunk.received") == 2 && rig.effect("chunk.received_again") == 1)
    }

    @Test("answers name how many bytes are there, where that is asked for")
    func counts() async throws {
        let rig = try TikTokRig()
        try rig.set(["content_range": "count"])
        let begun = await rig.begin(await rig.access(), source: TikTokRig.file(4))

        let answer = await rig.put(begun.data.text("upload_url") ?? "", "bytes 0-3/4", count: 4)

        #expect(answer.headers["Content-Range"] == "bytes 0-4/4")
    }

    @Test("a chunk that meets a 503 or is cut off has no effect, and the same one is taken then")
    func faults() async throws {
        let rig = try TikTokRig()
        let begun = await rig.begin(await rig.access(), source: TikTokRig.file(4))
        let url = begun.data.text("upload_url") ?? ""
        func fault(_ json: String) throws -> Fault { try Fault(JSON.parse(json), platforms: ["tiktok"]) }
        rig.switches.set([
            try fault(#"{"platform":"tiktok","path":"/video/","times":1,"status":503}"#),
            try fault(#"{"platform":"tiktok","path":"/video/","times":1,"drop":"during","drop_after_bytes":2}"#),
        ])
        let head = SandboxRequest(
            method: "PUT", path: "/video/", query: "", headers: [], base: "http://127.0.0.1:2", host: "upload")

        guard case .cut(let bytes) = rig.front.intake(head) else {
            Issue.record("the first is not cut")
            return
        }
        #expect(bytes == 2)
        #expect(await rig.put(url, "bytes 0-3/4", count: 4).status == 503)
        #expect(await rig.put(url, "bytes 0-3/4", count: 4).status == 201)
        #expect(rig.effect("chunk.received") == 1)
    }

    /// Of a `Content-Range`.
    private static func length(_ range: String) -> Int64? {
        let ends = range.dropFirst(6).split(separator: "/").first?.split(separator: "-").compactMap { Int64($0) } ?? []
        return ends.count == 2 ? ends[1] - ends[0] + 1 : nil
    }
}
