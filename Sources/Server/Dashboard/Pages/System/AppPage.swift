import Engine
import Kit
import Store

/// One app: where its webhooks go, its secrets by their ids, and changing them without a gap.
enum AppPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let hint: String
            let purpose: String
            let made: TimeModel
            let until: TimeModel?
            let remove: String?
        }
        struct Sign: Sendable {
            let lamp: Lamp
            let code: String
            let meaning: String
            /// When it was answered last; nil for not lately.
            let seen: TimeModel?
        }
        /// What the platform's answers have said of the app.
        struct Standing: Sendable {
            let people: String
            let signs: [Sign]
        }
        let facts: [Fact]
        let standing: Standing?
        let rows: [Row]
        /// Why there are no secrets to see.
        let none: String?
        /// For those who may change it.
        let form: Form?
        let problems: [String]
    }
    struct Form: Sendable {
        let action: String
        let fields: AppFields
        let overlaps: [FrameModel.Choice]
    }

    /// How long the secrets before a new one go on, in seconds; empty for ever.
    private static let overlaps = [("day", "86400"), ("month", "2592000"), ("ever", ""), ("none", "0")]

    static let page = Page(path: "/system/apps/{id}", entry: .system, template: "app") {
        try await content($0, problems: [])
    }

    private static func content(_ request: PageRequest, problems: [String]) async throws -> PageContent {
        let view = try await view(request)
        let standing = try await standing(of: view.app, request)
        let (words, app) = (request.words, view.app)
        var head = Head(app.name)
        head.crumbs = crumbs(words)
        head.id = ShortID(app.id.text)
        head.jack = Jack(app.provider, size: "m")
        head.pill = AppsPage.pill(app, request)
        head.lede = words("apps.secrets_lede")
        let canChange = request.mayAct && !app.isOfSettings
        let form = Form(
            action: "/system/apps/\(app.id)/secrets", fields: AppFields(app.provider, request, clientID: app.clientID),
            overlaps: overlaps.map { name, seconds in
                FrameModel.Choice(
                    id: seconds, label: words("apps.overlap.\(name)"),
                    isChosen: seconds == request.form["overlap"] ?? overlaps[0].1)
            })
        var content = PageContent(
            head,
            Model(
                facts: facts(app, request), standing: standing,
                rows: view.secrets.map { row($0, of: app, canChange, request) },
                none: view.secrets.isEmpty
                    ? words(app.isOfSettings ? "apps.of_settings" : "apps.secrets.zero") : nil,
                form: canChange ? form : nil, problems: problems),
            commands: [request.curl("/v1/apps/\(app.id)"), Command("CLI", "patchbay apps show \(app.id)")])
        if !problems.isEmpty { content.status = 422 }
        return content
    }

    private static func view(_ request: PageRequest) async throws -> AppView {
        let (id, now) = (try request.id(AppKind.self), request.now)
        let view = try await request.app.database.read("app_page") { session in
            try session.app(id).map { try AppView($0, in: session, at: now) }
        }
        guard let view else { throw PageProblem.notFound }
        return view
    }

    /// Nil at platforms that judge no apps, or not by what they answer.
    private static func standing(of app: AppRow, _ request: PageRequest) async throws -> Model.Standing? {
        let judging = Providers.publishers.first { $0.about.id == app.provider } as? any AppJudging
        guard let judging else { return nil }
        let (signs, since, id) = (judging.appSigns, request.now - .hours(24), app.id)
        let found = try await request.app.database.read("app_standing") {
            try $0.standing(of: id, codes: signs.map(\.code), since: since)
        }
        let words = request.words
        let people = words.count("apps.people", Int(found.accounts))
        return Model.Standing(
            people: judging.peopleBeforeAudit.map {
                people + " " + words("apps.people_before_audit", ["most": words.number($0)])
            } ?? people,
            signs: signs.map { sign in
                let seen = found.seen[sign.code]
                return Model.Sign(
                    lamp: Lamp(seen == nil ? .ok : .needs), code: sign.code, meaning: sign.meaning,
                    seen: seen.map(request.times.moment))
            })
    }

    private static func crumbs(_ words: Words) -> [Link] { [Link(words("system.title.apps"), "/system/apps")] }

    private static func facts(_ app: AppRow, _ request: PageRequest) -> [Fact] {
        let (words, address) = (request.words, request.app.settings.browserAddress + app.webhookPath)
        var facts = [Fact(words("user.platform"), app.provider)]
        if request.app.hooks.apps?.providers.contains(app.provider) == true {
            facts.append(Fact(words("apps.webhooks_to"), address, isCode: true, copied: address))
        }
        if let client = app.clientID {
            facts.append(Fact(words("apps.form.client_id"), client, isCode: true, copied: client))
        }
        return facts + [
            Fact(words("endpoint.fact.made"), request.times.moment(app.createdAt)),
            Fact(words("apps.changed"), request.times.moment(app.updatedAt)),
        ]
    }

    private static func row(
        _ secret: SealedRow, of app: AppRow, _ canChange: Bool, _ request: PageRequest
    ) -> Model.Row {
        Model.Row(
            hint: ShortID(secret.id).short, purpose: request.words("apps.purpose.\(secret.purpose)"),
            made: request.times.moment(secret.createdAt), until: secret.expiresAt.map(request.times.moment),
            remove: canChange ? "/system/apps/\(app.id)/secrets/\(secret.id)/remove" : nil)
    }

    static let removePage = Page(
        path: "/system/apps/{id}/secrets/{secret}/remove", entry: .system, template: "confirm", needs: .admin
    ) { request in
        let (view, words) = (try await view(request), request.words)
        guard let secret = view.secrets.first(where: { $0.id == request.parameter("secret") }) else {
            throw PageProblem.notFound
        }
        let isLast = !view.secrets.contains { $0.purpose == secret.purpose && $0.id != secret.id }
        let base = "/system/apps/\(view.app.id)"
        return ConfirmPage.content(
            words("apps.remove.title", ["id": ShortID(secret.id).short]),
            [words("apps.remove.what.\(secret.purpose)")]
                + (isLast ? [words("apps.remove.last.\(secret.purpose)")] : []),
            action: "\(base)/secrets/\(secret.id)/remove", button: words("apps.remove.button"), isDanger: true,
            back: base, crumbs: crumbs(words) + [Link(view.app.name, base)], request)
    }

    static let forms = [
        PageForm(path: "/system/apps/{id}/secrets") { request in
            let app = try await view(request).app
            var members = AppFields.members(request.form)
            if members.contains(where: { $0.name == "secrets" }) {
                let seconds = request.form["overlap"] ?? ""
                members.append(
                    JSONMember(
                        "overlap_seconds", seconds.isEmpty ? .null : Int64(seconds).map { JSON($0) } ?? .string(seconds)
                    ))
            }
            guard !members.isEmpty else {
                return .again(page, try await content(request, problems: [request.words("apps.form.nothing")]))
            }
            do {
                _ = try await request.perform(AppsAPI.update, path: ["id": app.id.text], body: .object(members))
                return .seeOther("/system/apps/\(app.id)", note: "saved")
            } catch let problem as Problem where [.invalidFields, .wrongState].contains(problem.type) {
                return .again(page, try await content(request, problems: problem.sentences))
            }
        },
        PageForm(path: "/system/apps/{id}/secrets/{secret}/remove") { request in
            let id = try request.id(AppKind.self)
            _ = try await request.perform(
                AppsAPI.removeSecret, path: ["id": id.text, "secret_id": request.parameter("secret")])
            return .seeOther("/system/apps/\(id)", note: "app_secret_removed")
        },
    ]
}

/// The fields of an app's secrets in a form: which there are at a platform, and what was sent.
struct AppFields: Sendable {
    let provesWebhooks: Bool
    let connectsAccounts: Bool
    let clientID: String

    /// - Parameter provider: nil where it is chosen in the form: then all fields are there.
    init(_ provider: String?, _ request: PageRequest, clientID: String? = nil) {
        let hooks = request.app.hooks
        provesWebhooks = provider.map { hooks.apps?.providers.contains($0) == true } ?? true
        connectsAccounts =
            provider.map { hooks.connecting?.platform($0) != nil } ?? (hooks.connecting?.platforms.isEmpty == false)
        self.clientID = request.form["client_id"] ?? clientID ?? ""
    }

    /// The members of the API's body for what was filled in.
    static func members(_ form: [String: String]) -> [JSONMember] {
        func text(_ name: String) -> String? {
            let text = (form[name] ?? "").trimmedBlanks
            return text.isEmpty ? nil : text
        }
        var secrets: [JSONMember] = []
        if let webhook = text("secret") { secrets.append(JSONMember(AppSecrets.purpose, .array([.string(webhook)]))) }
        if let client = text("client_secret") { secrets.append(JSONMember(ConnectionApps.purpose, .string(client))) }
        var members: [JSONMember] = []
        if let id = text("client_id") { members.append(JSONMember("client_id", .string(id))) }
        if !secrets.isEmpty { members.append(JSONMember("secrets", .object(secrets))) }
        return members
    }
}
