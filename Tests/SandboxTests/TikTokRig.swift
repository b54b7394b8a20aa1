import Foundation
import Kit

@testable import Sandbox

/// A simulated TikTok without ports: requests are handed in, answers come back.
struct TikTokRig {
    let keeper: Keeper
    let tiktok = SimulatedTikTok()
    let switches = Switches()
    let front: Front
    let time: HandClock

    static let everyScope = TikTokAuthorize.scopes.map(\.name).joined(separator: ",")
    static let secret = "tt-demo-secret-0123456789"
    static let redirect = "http://127.0.0.1:8484/callback/tiktok"

    init(file: String? = nil, seed: UInt64 = 7, time: HandClock = HandClock()) throws {
        self.time = time
        keeper = try .ofTest(file, seed: seed, time)
        front = Front(platform: tiktok, keeper: keeper, switches: switches)
        let furniture = Furniture(keys: ["client_key": "aw_test", "client_secret": Self.secret])
        keeper.turn { tiktok.furnish($0, furniture) }
    }

    struct Reply {
        let status: Int
        let headers: [Field]
        let body: [UInt8]
        var json: JSON { (try? JSON.parse(body)) ?? .null }  // What is no JSON is none.
        var code: String? { json["error", "code"]?.text }
        var data: JSON { json["data"] ?? .null }
    }

    /// - Parameters:
    ///   - upload: bytes that are sent, or how many are said to have been.
    ///   - meanwhile: what happens between the request's head and its end.
    func send(
        _ method: String, _ target: String, _ body: String = "", headers: [Field] = [], host: String = "api",
        upload: [UInt8]? = nil, count: Int64? = nil, meanwhile: () async -> Void = {}
    ) async -> Reply {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        var request = SandboxRequest(
            method: method, path: parts.first ?? "/", query: parts.count > 1 ? parts[1] : "",
            headers: [Field("Host", "127.0.0.1:1")] + headers, body: Array(body.utf8), base: "http://127.0.0.1:1",
            host: host)
        if case .digested(let digest, _) = front.intake(request) {
            var taken = Upload(from: digest)
            taken.digest.update(upload ?? [])
            taken.count = count ?? Int64(upload?.count ?? 0)
            request.upload = taken
        }
        await meanwhile()
        guard let answer = await front.answer(request) else { return Reply(status: 0, headers: [], body: []) }
        return Reply(status: answer.status, headers: answer.headers, body: answer.body)
    }

    // MARK: OAuth

    func authorizeTarget(scopes: String = everyScope, changes: [String: String?] = [:]) -> String {
        var values: [String: String?] = [
            "client_key": "aw_test", "response_type": "code", "scope": scopes, "redirect_uri": Self.redirect,
            "state": "s-1",
        ]
        for (name, value) in changes { values[name] = value }
        let query = values.sorted { $0.key < $1.key }.compactMap { name, value in
            value.map { "\(name)=\(Form.encoded($0))" }
        }
        return TikTokAuthorize.path + "?" + query.joined(separator: "&")
    }

    /// Where a consent leads, read.
    func consent(_ form: String, scopes: String = everyScope, changes: [String: String?] = [:]) async -> Form {
        let answer = await send("POST", authorizeTarget(scopes: scopes, changes: changes), form)
        let location = answer.headers["Location"] ?? ""
        return Form.parse(Array(location.split(separator: "?", maxSplits: 1).last.map(String.init)?.utf8 ?? "".utf8))
    }

    func token(_ fields: [String: String], path: String = TikTokTokenEndpoint.token) async -> Reply {
        let all = ["client_key": "aw_test", "client_secret": Self.secret].merging(fields) { $1 }
        let form = all.sorted { $0.key < $1.key }.map { "\($0)=\(Form.encoded($1))" }.joined(separator: "&")
        return await send("POST", path, form, headers: [Field("Content-Type", "application/x-www-form-urlencoded")])
    }

    /// The token answer of a person who consents to everything.
    func connect(_ account: String = "0", scopes: String = everyScope) async -> JSON {
        let code = await consent("account=\(account)", scopes: scopes)["code"]?.text ?? ""
        return await token(["grant_type": "authorization_code", "code": code, "redirect_uri": Self.redirect]).json
    }
    func access(_ account: String = "0", scopes: String = everyScope) async -> String {
        await connect(account, scopes: scopes).text("access_token") ?? ""
    }
    func refresh(_ token: String) async -> JSON {
        await self.token(["grant_type": "refresh_token", "refresh_token": token]).json
    }

    // MARK: API

    func get(_ target: String, _ token: String) async -> Reply {
        await send("GET", target, headers: [Field("Authorization", "Bearer \(token)")])
    }
    func post(_ target: String, _ json: JSON, _ token: String) async -> Reply {
        await send(
            "POST", target, String(decoding: json.bytes, as: UTF8.self),
            headers: [
                Field("Authorization", "Bearer \(token)"), Field("Content-Type", "application/json; charset=UTF-8"),
            ])
    }
    func status(_ id: String, _ token: String) async -> JSON {
        await post("/v2/post/publish/status/fetch/", ["publish_id": .string(id)], token).data
    }

    static let info: JSON = [
        "title": "Rye is back", "privacy_level": "PUBLIC_TO_EVERYONE", "brand_content_toggle": false,
    ]
    static func file(_ size: Int64, chunk: Int64? = nil, count: Int64 = 1) -> JSON {
        [
            "source": "FILE_UPLOAD", "video_size": JSON(size), "chunk_size": JSON(chunk ?? size),
            "total_chunk_count": JSON(count),
        ]
    }

    func begin(_ token: String, info: JSON = info, source: JSON, inbox: Bool = false) async -> Reply {
        inbox
            ? await post("/v2/post/publish/inbox/video/init/", ["source_info": source], token)
            : await post("/v2/post/publish/video/init/", ["post_info": info, "source_info": source], token)
    }

    /// One chunk: bytes, or a length alone.
    func put(
        _ url: String, _ range: String, _ bytes: [UInt8]? = nil, count: Int64? = nil, type: String = "video/mp4",
        meanwhile: () async -> Void = {}
    ) async -> Reply {
        let target = url.replacing("http://127.0.0.1:2", with: "")
        return await send(
            "PUT", target, headers: [Field("Content-Type", type), Field("Content-Range", range)], host: "upload",
            upload: bytes, count: count, meanwhile: meanwhile)
    }

    /// A small film that was sent. Its publish id.
    func posted(_ token: String, info: JSON = info, inbox: Bool = false, film: String = "film") async -> String {
        let begun = await begin(token, info: info, source: Self.file(Int64(film.utf8.count)), inbox: inbox)
        let last = film.utf8.count - 1
        _ = await put(begun.data.text("upload_url") ?? "", "bytes 0-\(last)/\(film.utf8.count)", Array(film.utf8))
        return begun.data.text("publish_id") ?? ""
    }

    // MARK: Control

    func set(_ json: JSON) throws { try keeper.turn { world throws(BadControl) in try world.set(json, of: tiktok) } }
    func act(_ json: JSON) throws -> JSON {
        try keeper.turn { world throws(BadControl) in try tiktok.perform(json.text("act") ?? "", json, in: world) }
    }
    /// Moves the sandbox's clock and runs what falls due.
    func pass(_ seconds: Int64) { _ = Clock(keeper: keeper, platforms: [tiktok]).advance(seconds) }
    func effect(_ name: String) -> Int64 { keeper.turn { $0.counters["tiktok " + name] ?? 0 } }
    /// The types of all events, oldest first.
    func told() -> [String] { events().compactMap { $0.text("event") } }
    func events() -> [JSON] { keeper.turn { $0.objects(of: "tiktok.event").reversed() } }

    static func vector(_ name: String) throws -> JSON {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors/tiktok")
        return try JSON.parse(Array(try Data(contentsOf: folder.appending(path: name))))
    }
}
