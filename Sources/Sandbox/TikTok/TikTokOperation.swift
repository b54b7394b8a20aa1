import Kit

/// What the API can be asked, each with the scopes that open it and how often it may be asked a minute.
struct TikTokOperation: Sendable {
    /// Calls in 60 seconds, counted when they arrive; what is counted together has one key.
    struct Window: Sendable {
        let calls: Int
        let isPerToken: Bool
    }

    let method: String
    let path: String
    /// Any of these opens it.
    let scopes: [String]
    let window: Window?
    let run: @Sendable (TikTokCall) throws(TikTokError) -> JSON

    private init(
        _ method: String, _ path: String, _ scopes: [String], _ window: Window?,
        _ run: @escaping @Sendable (TikTokCall) throws(TikTokError) -> JSON
    ) {
        self.method = method
        self.path = path
        self.scopes = scopes
        self.window = window
        self.run = run
    }

    private static let read = Window(calls: 600, isPerToken: false)
    private static let begin = Window(calls: 6, isPerToken: true)
    private static let posting = ["video.publish", "video.upload"]

    static let all: [TikTokOperation] = [
        .init(
            "GET", "/v2/user/info/", ["user.info.basic", "user.info.profile", "user.info.stats"], read
        ) { call throws(TikTokError) in try call.userInfo() },
        .init("POST", "/v2/video/list/", ["video.list"], read) { call throws(TikTokError) in try call.videoList() },
        .init("POST", "/v2/video/query/", ["video.list"], read) { call throws(TikTokError) in try call.videoQuery() },
        .init(
            "POST", "/v2/post/publish/creator_info/query/", ["video.publish"], Window(calls: 20, isPerToken: true)
        ) { call throws(TikTokError) in try call.creatorInfo() },
        .init("POST", "/v2/post/publish/video/init/", ["video.publish"], begin) { call throws(TikTokError) in
            try call.beginVideo(isDirect: true)
        },
        .init("POST", "/v2/post/publish/inbox/video/init/", ["video.upload"], begin) { call throws(TikTokError) in
            try call.beginVideo(isDirect: false)
        },
        .init("POST", "/v2/post/publish/content/init/", posting, begin) { call throws(TikTokError) in
            try call.beginPhotos()
        },
        .init(
            "POST", "/v2/post/publish/status/fetch/", posting, Window(calls: 30, isPerToken: true)
        ) { call throws(TikTokError) in try call.status() },
        .init("POST", "/v2/post/publish/cancel/", posting, nil) { call throws(TikTokError) in try call.cancel() },
    ]
}

/// One authorized call of the API.
struct TikTokCall {
    let books: TikTokBooks
    let platform: SimulatedTikTok
    let request: SandboxRequest
    let grant: JSON
    let account: TikTokAccount
    let body: JSON

    var scopes: [String] { TikTokBooks.scopes(grant) }

    /// The fields that are asked for, which is a question in the query even where the rest is in the body.
    func fields(known: [String]) throws(TikTokError) -> [String] {
        let text = Form.parse(Array(request.query.utf8))["fields"]?.text ?? ""
        let fields = text.split(separator: ",").map { $0.filter { $0 != " " } }
        guard !fields.isEmpty else { throw .params("Fields is required: name what you want in the query.") }
        for field in fields where !known.contains(field) {
            throw .params("Invalid fields: \(OutsideText.bounded(field, 80)).")
        }
        return fields
    }

    func whole(_ name: String, in json: JSON) throws(TikTokError) -> Int64? {
        guard let value = json.present(name) else { return nil }
        guard let number = value.integer else { throw .params("\(name) must be an integer.") }
        return number
    }
}

// MARK: Who calls, and how often

extension TikTokBooks {
    private static let windowKind = "tiktok.window"

    /// The call of a request: its token, its scopes, its body.
    func call(
        _ operation: TikTokOperation, _ request: SandboxRequest, _ platform: SimulatedTikTok
    ) throws(TikTokError) -> TikTokCall {
        guard let token = Self.token(of: request), let grant = grant(access: token),
            let account = people.account(openID: grant.text("open_id") ?? "")
        else { throw TikTokError("access_token_invalid") }
        try arrive(operation, token)
        guard operation.scopes.contains(where: Self.scopes(grant).contains) else {
            throw TikTokError("scope_not_authorized")
        }
        return TikTokCall(
            books: self, platform: platform, request: request, grant: grant, account: account,
            body: try Self.body(of: request))
    }

    static func token(of request: SandboxRequest) -> String? {
        let given = request.headers["Authorization"] ?? ""
        return given.lowercased().hasPrefix("bearer ") ? String(given.dropFirst(7)) : nil
    }

    private static func body(of request: SandboxRequest) throws(TikTokError) -> JSON {
        guard request.method == "POST", !request.body.isEmpty else { return .object([]) }
        let type = (request.headers["Content-Type"] ?? "").lowercased()
        guard type.hasPrefix("application/json") else {
            throw .params("Content-Type must be application/json; charset=UTF-8.")
        }
        do {
            let json = try JSON.parse(request.body)
            guard json.members != nil else { throw TikTokError.params("The body must be a JSON object.") }
            return json
        } catch let error as TikTokError {
            throw error
        } catch {
            throw .params("The body is no JSON.")
        }
    }

    /// Counts a call in its window. A refused one counts as well, unless the window refuses it.
    private func arrive(_ operation: TikTokOperation, _ token: String) throws(TikTokError) {
        guard settings.hasLimits, let window = operation.window else { return }
        forgetWindows()
        let key = operation.path + (window.isPerToken ? " " + token : "")
        var times = (world.object(Self.windowKind, key)?.elements ?? []).compactMap(\.integer)
        times.removeAll { $0 <= nowMs - 60_000 }
        guard times.count < window.calls else { throw TikTokError("rate_limit_exceeded") }
        world.put(Self.windowKind, key, .array((times + [nowMs]).map { JSON($0) }))
    }

    /// Windows that are kept at one time before the empty ones go: of the kept objects the oldest would, and those are
    /// the app's own.
    private static let windowsMax = 2000

    private func forgetWindows() {
        guard world.count(of: Self.windowKind) > Self.windowsMax else { return }
        for id in world.ids(of: Self.windowKind) {
            let last = world.object(Self.windowKind, id)?.elements?.last?.integer ?? 0
            if last <= nowMs - 60_000 { world.delete(Self.windowKind, id) }
        }
    }

    /// After a refused call was undone: it has arrived all the same.
    func noteArrival(_ operation: TikTokOperation, _ request: SandboxRequest) {
        guard let token = Self.token(of: request), grant(access: token) != nil else { return }
        try? arrive(operation, token)  // A full window has nothing to note.
    }
}
