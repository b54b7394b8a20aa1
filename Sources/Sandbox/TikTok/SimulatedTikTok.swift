import Crypto
import Kit
import Synchronization

/// TikTok as the sandbox simulates it: Login Kit, Display API and Content Posting API, version 2, one app.
/// Source: developers.tiktok.com/doc, as of 2026-05.
final class SimulatedTikTok: Platform {
    static let name = "tiktok"
    let id = SimulatedTikTok.name
    let hosts = ["api", "upload"]
    let keyNames = ["client_key", "client_secret"]
    let settings = TikTokSettings.all
    let acts = TikTokAct.allCases.map(\.rawValue)

    /// The app's one callback address.
    static let callback = "callback"
    /// Links to pictures die so many seconds after they were given.
    static let coverLife: Int64 = 21_600
    static let avatarLife: Int64 = 7200
    /// Of one photo, in bytes.
    static let photoMax: Int64 = 20_000_000

    private struct Bases {
        var api = "http://127.0.0.1:1"
        var upload = "http://127.0.0.1:2"
    }
    private let bases = Mutex(Bases())

    /// `TikTok-Signature: t=1763451100,s=<hex>` over `t.body`; the key is the app's secret.
    let webhooks = WebhookScheme(
        .hmac(
            HMACScheme(
                "TikTok-Signature", .pairs(timestamp: "t", signature: "s"), .sha256, .hex,
                over: [.timestamp, .text("."), .body])),
        secrets: .text, tolerance: .init(), repeatsFor: .days(3), handled: [], events: { _ in [] })

    var samples: [Sample] { TikTokSamples.all }

    // MARK: What there is

    func keys(in world: World, _ furniture: Furniture) -> Furniture {
        var furniture = furniture
        let own = TikTokBooks(world: world).own
        for name in keyNames { furniture.keys[name] = own.text(name) }
        return furniture
    }

    func furnish(_ world: World, _ furniture: Furniture) {
        world.stream = "keys"
        defer { world.stream = "calls" }
        let books = TikTokBooks(world: world)
        var own = books.own
        if own.text("client_key") == nil {
            own = [
                "client_key": .string("aw" + world.id("", length: 16).lowercased()),
                "client_secret": .string(world.id("", length: 32)), "born_ms": JSON(books.nowMs),
            ]
        }
        for name in keyNames { if let key = furniture.keys[name] { own.set(name, .string(key)) } }
        own.set("webhook_types", .array(furniture.webhookTypes.map { .string($0) }))
        if own != books.own { world.put(TikTokBooks.ownKind, "own", own) }
        guard let url = furniture.webhookURL, isLoopback(url) else { return }
        try? world.set(["webhook_url": .string(url)], of: self)  // A loopback address is taken.
    }

    func introduction(in world: World, at bases: [String]) -> JSON {
        self.bases.withLock {
            $0.api = bases.first ?? $0.api
            $0.upload = bases.last ?? $0.upload
        }
        let (own, base) = (TikTokBooks(world: world).own, bases.first ?? "")
        return [
            "base_url": .string(base), "client_key": own["client_key"] ?? .null,
            "client_secret": own["client_secret"] ?? .null, "upload_base_url": .string(bases.last ?? ""),
            "authorize_url": .string(base + TikTokAuthorize.path),
            "token_url": .string(base + TikTokTokenEndpoint.token),
        ]
    }

    // MARK: Requests

    func twin(_ request: SandboxRequest) -> (key: String, answer: SandboxAnswer)? { nil }

    func failure(_ wish: FailureWish, of request: SandboxRequest) -> SandboxAnswer {
        guard [TikTokTokenEndpoint.token, TikTokTokenEndpoint.revocation].contains(request.path) else {
            return TikTokError(wish).answer(log: "fault")
        }
        let usual = wish.status >= 500 ? "temporarily_unavailable" : "invalid_request"
        var answer = TikTokOAuthError(wish.code ?? usual, "Asked for by a fault.").answer(
            log: "fault", isAlways200: true)
        answer.status = wish.status
        return answer
    }

    func intake(_ head: SandboxRequest, in world: World) -> Intake {
        head.host == "upload"
            ? TikTokUpload(books: TikTokBooks(world: world), request: head).intake : .whole(atMost: Intake.usualMax)
    }

    func answer(_ request: SandboxRequest, in world: World, failing: FailureWish?) throws(Refused) -> SandboxAnswer {
        let books = TikTokBooks(world: world)
        let answer = answer(request, books)
        return failing.map { failure($0, of: request) } ?? answer
    }

    /// Refusals are answers like others here: what they count stays.
    private func answer(_ request: SandboxRequest, _ books: TikTokBooks) -> SandboxAnswer {
        if request.host == "upload" { return TikTokUpload(books: books, request: request).answer() }
        let log = books.world.requestID("20261118")
        switch request.path {
        case TikTokAuthorize.path: return TikTokAuthorize(books: books, request: request).answer()
        case TikTokTokenEndpoint.token, TikTokTokenEndpoint.revocation:
            do {
                return try TikTokTokenEndpoint(books: books, request: request).answer()
            } catch {
                books.world.rollBack()
                return error.answer(log: log, isAlways200: books.settings.tokenErrorsAre200)
            }
        case let path where path.hasPrefix("/cover/") || path.hasPrefix("/avatar/"): return picture(request, books)
        default: return called(request, books, log)
        }
    }

    private func called(_ request: SandboxRequest, _ books: TikTokBooks, _ log: String) -> SandboxAnswer {
        let operation = TikTokOperation.all.first { $0.path == request.path && $0.method == request.method }
        guard let operation else {
            let known = TikTokOperation.all.first { $0.path == request.path || $0.path == request.path + "/" }
            let hint = known.map { " It is \($0.method) \($0.path), slash included." } ?? ""
            return TikTokError("invalid_params", "There is no such address.\(hint)", status: 404).answer(log: log)
        }
        do {
            let data = try operation.run(try books.call(operation, request, self))
            return SandboxAnswer(
                200,
                ["data": data, "error": ["code": "ok", "message": "", "log_id": .string(log)]])
        } catch {
            books.world.rollBack()
            books.noteArrival(operation, request)
            return error.answer(log: log)
        }
    }

    // MARK: Links

    func uploadURL(_ post: TikTokPost) -> String {
        let base = bases.withLock { $0.upload }
        return base + TikTokUpload.path + "?upload_id=\(post.json["upload_id"]?.numberText ?? "")"
            + "&upload_token=\(post.json.text("upload_token") ?? "")"
    }

    /// A link to a picture that dies.
    func link(_ kind: String, _ id: String, lasts: Int64, in world: World) -> String {
        let until = world.now + lasts
        let base = bases.withLock { $0.api }
        return "\(base)/\(kind)/\(id).png?x-expires=\(until)&x-signature=\(Self.signature(kind, id, until, world.seed))"
    }

    private static func signature(_ kind: String, _ id: String, _ until: Int64, _ seed: Seed) -> String {
        seed.text(16, UInt64(max(0, until)), of: "tiktok.\(kind).\(id)")
    }

    /// One dark pixel.
    private static let pixel = Base64.decode(
        Array(
            """
            iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
            """.utf8))

    private func picture(_ request: SandboxRequest, _ books: TikTokBooks) -> SandboxAnswer {
        let query = Form.parse(Array(request.query.utf8))
        let parts = request.path.split(separator: "/").map(String.init)
        guard request.method == "GET", parts.count == 2, parts[1].hasSuffix(".png"),
            let until = Int64(query["x-expires"]?.text ?? ""),
            until > books.world.now,
            query["x-signature"]?.text
                == Self.signature(parts[0], String(parts[1].dropLast(4)), until, books.world.seed)
        else { return SandboxAnswer(403, html: "<h1>403 Forbidden</h1>") }
        var answer = SandboxAnswer(200)
        answer.headers = [Field("Content-Type", "image/png")]
        answer.body = Self.pixel ?? []
        return answer
    }

    // MARK: Time, webhooks

    func due(_ key: String, in world: World) {
        let parts = key.split(separator: " ").map(String.init)
        if parts.count == 2 { TikTokBooks(world: world).due(parts[0], parts[1]) }
    }

    func endpoints(for type: String, in world: World) -> [String] {
        TikTokBooks(world: world).isTold(type) ? [Self.callback] : []
    }

    func webhook(_ event: String, to endpoint: String, in world: World, at time: Timestamp) -> OutgoingWebhook? {
        let books = TikTokBooks(world: world)
        guard let event = books.event(event), let url = books.settings.webhookURL,
            let secret = books.own.text("client_secret")
        else { return nil }
        let body = event.bytes
        let headers = [
            Field(books.settings.signatureHeader, Self.signature(body, secret, at: time)),
            Field("Content-Type", "application/json"), Field("User-Agent", "TikTok-Sandbox/1.0"),
        ]
        return OutgoingWebhook(url: url, headers: headers, body: body)
    }

    /// `t=1763451100,s=<hex>`, made without the code that proves it.
    /// Source: developers.tiktok.com/doc/webhooks-verification.
    static func signature(_ body: [UInt8], _ secret: String, at time: Timestamp) -> String {
        var code = HMAC<SHA256>(key: SymmetricKey(data: Array(secret.utf8)))
        code.update(data: Array("\(time.seconds).".utf8))
        code.update(data: body)
        return "t=\(time.seconds),s=" + String(decoding: Hex.encode(Array(code.finalize())), as: UTF8.self)
    }

    /// TikTok signs with the app's secret, one at a time: an overlap there is not.
    func roll(_ endpoint: String?, oldUntil time: Timestamp, in world: World) -> (endpoint: String, secret: String)? {
        guard endpoint == nil || endpoint == Self.callback else { return nil }
        let secret = world.id("", length: 32)
        world.put(TikTokBooks.ownKind, "own", TikTokBooks(world: world).own.with("client_secret", .string(secret)))
        return (Self.callback, secret)
    }

    func keep(_ event: JSON, in world: World) -> String { TikTokBooks(world: world).keep(event) }

    /// Nobody there does anything by themselves but watch: counters grow with the clock.
    func act(in world: World) {}

    func effectsByKey(in world: World) -> JSON { TikTokBooks(world: world).postsByContent }

    func summary(of world: World) -> JSON {
        let books = TikTokBooks(world: world)
        return [
            "accounts": JSON(TikTokPeople.count), "connections": JSON(books.grantsAlive), "posts": books.postsByStatus,
        ]
    }
}
