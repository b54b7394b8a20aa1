import Kit
import Store

/// API keys: made and shown once, revoked.
enum KeysPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let name: String
            let hint: String
            let scopes: String
            let pill: Pill
            let used: TimeModel?
            let made: TimeModel
            let revoke: String?
        }
        let tabs: [Tab]
        let rows: [Row]
        let ends: Ends
        /// Set for those who may make one.
        let form: Form?
        let problems: [String]
    }
    struct Form: Sendable {
        let name: String
        let scopes: [FrameModel.Choice]
        let further: String
    }

    private static let broad = ["read", "write", "admin"]

    static let page = Page(path: "/system/keys", entry: .system, template: "keys") {
        try await content($0, problems: [])
    }

    private static func content(_ request: PageRequest, problems: [String]) async throws -> PageContent {
        let (words, place) = (request.words, ListPlace(request))
        let found = try await request.app.database.read("keys_page") { try $0.keys(KeyFilter(), place.page) }
        let chosen = broad.filter { request.form["scope." + $0] != nil }
        let form = Form(
            name: request.form["name"] ?? "",
            scopes: broad.map { scope in
                FrameModel.Choice(
                    id: scope, label: words("keys.scope.\(scope)"),
                    isChosen: chosen.isEmpty ? scope == "read" : chosen.contains(scope))
            }, further: request.form["further"] ?? "")
        var content = PageContent(
            SystemTab.head(.keys, words, lede: words("keys.lede")),
            Model(
                tabs: SystemTab.tabs(.keys, words), rows: place.shown(found).map { row($0, request) },
                ends: place.ends(found, filter: [], request, path: "/system/keys", id: \.id.text),
                form: request.mayAct ? form : nil, problems: problems),
            commands: [
                request.curl("/v1/keys"), Command("CLI", "patchbay keys list"),
                Command("CLI", "patchbay keys create --scope read"),
            ])
        if !problems.isEmpty { content.status = 422 }
        return content
    }

    private static func row(_ key: KeyRow, _ request: PageRequest) -> Model.Row {
        let words = request.words
        let isActive = key.isActive(at: request.now)
        let pill: Pill =
            if let revoked = key.revokedAt {
                Pill(.paused, words("keys.revoked"), time: request.times.moment(revoked))
            } else if isActive {
                Pill(.ok, words("keys.active"), time: key.expiresAt.map(request.times.moment))
            } else {
                Pill(.paused, words("keys.expired"), time: key.expiresAt.map(request.times.moment))
            }
        return Model.Row(
            id: key.id.text, name: key.name, hint: "pb_\(request.app.settings.mode.rawValue)_…\(key.hint)",
            scopes: key.scopes.joined(separator: ", "), pill: pill, used: key.lastUsedAt.map(request.times.moment),
            made: request.times.moment(key.createdAt),
            revoke: isActive && request.mayAct ? "/system/keys/\(key.id)/revoke" : nil)
    }

    static let revokePage = Page(path: "/system/keys/{id}/revoke", entry: .system, template: "confirm", needs: .admin) {
        request in
        let (id, words) = (try request.id(KeyKind.self), request.words)
        guard let key = try await request.app.database.read("key", { try $0.keyRow(id) }) else {
            throw PageProblem.notFound
        }
        return ConfirmPage.content(
            words("keys.revoke.title", ["name": key.name]),
            [words("keys.revoke.what", ["hint": "…\(key.hint)"]), words("keys.revoke.then")],
            action: "/system/keys/\(id)/revoke", button: words("keys.revoke.button"), isDanger: true,
            back: "/system/keys", crumbs: [Link(words("system.title.keys"), "/system/keys")], request)
    }

    static let forms = [
        PageForm(path: "/system/keys") { request in
            let further = (request.form["further"] ?? "").split { $0.isWhitespace || $0 == "," }.map(String.init)
            let scopes = broad.filter { request.form["scope." + $0] != nil } + further
            let body: JSON = [
                "name": .string((request.form["name"] ?? "").trimmedBlanks), "scopes": .array(scopes.map(JSON.string)),
            ]
            do {
                let answer = try await request.perform(KeysAPI.create, body: body)
                return .again(SecretPage.page, shown(answer, request))
            } catch let problem as Problem where problem.type == .invalidFields {
                return .again(page, try await content(request, problems: problem.sentences))
            }
        },
        PageForm(path: "/system/keys/{id}/revoke") { request in
            _ = try await request.perform(KeysAPI.revoke, path: ["id": try request.id(KeyKind.self).text])
            return .seeOther("/system/keys", note: "key_revoked")
        },
    ]

    private static func shown(_ answer: Answer, _ request: PageRequest) -> PageContent {
        let (words, json) = (request.words, (try? JSON.parse(answer.body)) ?? .null)
        var head = Head(words("keys.made"))
        head.crumbs = [Link(words("system.title.keys"), "/system/keys")]
        return PageContent(
            head,
            SecretPage.Model(
                sentence: words("keys.once"), secret: Command(nil, json["key"]?.text ?? "?"), after: words("keys.use"),
                back: Link(words("keys.back"), "/system/keys")))
    }
}
