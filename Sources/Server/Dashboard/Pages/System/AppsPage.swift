import Engine
import Kit
import Store

/// App credentials: what platforms gave the operator, each with a webhook address of its own.
enum AppsPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let href: String
            let jack: Jack
            let name: String
            let provider: String
            let pill: Pill
            let address: Command
            let secrets: String
            let act: Act?
            let ordered: Ordered?
        }
        /// Webhooks ordered at the platform by its API.
        struct Ordered: Sendable {
            let pill: Pill?
            let sentence: String
            /// Below which its forms are; nil for who may not act.
            let base: String?
            let isOrdered: Bool
        }
        struct Act: Sendable {
            let base: String
            let isOn: Bool
        }
        let tabs: [Tab]
        let rows: [Row]
        let ends: Ends
        let form: Form?
        let problems: [String]
    }
    struct Form: Sendable {
        let providers: [FrameModel.Choice]
        let name: String
        let fields: AppFields
    }

    static let page = Page(path: "/system/apps", entry: .system, template: "apps") {
        try await content($0, problems: [])
    }

    private static func content(_ request: PageRequest, problems: [String]) async throws -> PageContent {
        let (words, place, now) = (request.words, ListPlace(request), request.now)
        let found = try await request.app.database.read("apps_page") { session in
            try session.apps(AppFilter(), place.page).map { app in
                (view: try AppView(app, in: session, at: now), ordered: try session.webhookSubscription(of: app.id))
            }
        }
        let form = Form(
            providers: platforms(request), name: request.form["name"] ?? "", fields: AppFields(nil, request))
        var content = PageContent(
            SystemTab.head(.apps, words, lede: words("apps.lede")),
            Model(
                tabs: SystemTab.tabs(.apps, words), rows: place.shown(found).map { row($0.view, $0.ordered, request) },
                ends: place.ends(found, filter: [], request, path: "/system/apps", id: \.view.app.id.text),
                form: request.mayAct ? form : nil, problems: problems),
            commands: [request.curl("/v1/apps"), Command("CLI", "patchbay apps list")])
        if !problems.isEmpty { content.status = 422 }
        return content
    }

    /// Those that send webhooks, and those where accounts are connected.
    private static func platforms(_ request: PageRequest) -> [FrameModel.Choice] {
        let known = Providers.appSources.map(\.about) + (request.app.hooks.connecting?.platforms.map(\.about) ?? [])
        var seen = Set<String>()
        return known.filter { seen.insert($0.id).inserted }.map {
            FrameModel.Choice(id: $0.id, label: $0.name, isChosen: request.form["provider"] == $0.id)
        }
    }

    static func pill(_ app: AppRow, _ request: PageRequest) -> Pill {
        app.disabledAt.map { Pill(.paused, request.words("apps.off"), time: request.times.moment($0)) }
            ?? Pill(.ok, request.words("apps.on"))
    }

    private static func row(_ view: AppView, _ ordered: WebhookSubscriptionRow?, _ request: PageRequest) -> Model.Row {
        let (words, app) = (request.words, view.app)
        let path = app.webhookPath
        return Model.Row(
            id: app.id.text, href: "/system/apps/\(app.id)", jack: Jack(app.provider, size: "m"), name: app.name,
            provider: app.provider, pill: pill(app, request),
            address: Command(nil, request.app.settings.browserAddress + path),
            secrets: app.isOfSettings ? words("apps.of_settings") : words.count("apps.secrets", view.secrets.count),
            act: app.isOfSettings || !request.mayAct
                ? nil : Model.Act(base: "/system/apps/\(app.id)", isOn: app.disabledAt == nil),
            ordered: Self.ordered(app, ordered, request))
    }

    /// Nil where nothing can be ordered.
    private static func ordered(_ app: AppRow, _ row: WebhookSubscriptionRow?, _ request: PageRequest) -> Model.Ordered?
    {
        guard request.app.hooks.subscribing?.platforms[app.id] != nil else { return nil }
        let words = request.words
        let base = request.mayAct ? "/system/apps/\(app.id)/subscription" : nil
        guard let row else {
            return Model.Ordered(pill: nil, sentence: words("apps.ordered.none"), base: base, isOrdered: false)
        }
        let lamp: LampState =
            switch row.state {
            case .registered: row.duplicates.isEmpty ? .ok : .needs
            case .registering, .removing: .running
            case .differs: .needs
            case .failed: .failed
            }
        let aspects = row.differences.map { words("apps.ordered.aspect.\($0)") }.joined(separator: ", ")
        let sentence =
            row.problem
            ?? (row.duplicates.isEmpty
                ? (aspects.isEmpty ? words("apps.ordered.seen") : words("apps.ordered.differs", ["what": aspects]))
                : words("apps.ordered.duplicates", ["ids": row.duplicates.joined(separator: ", ")]))
        return Model.Ordered(
            pill: Pill(
                lamp, words("apps.ordered.state.\(row.state.rawValue)"), time: row.checkedAt.map(request.times.moment)),
            sentence: sentence, base: base, isOrdered: true)
    }

    static let deletePage = Page(path: "/system/apps/{id}/delete", entry: .system, template: "confirm", needs: .admin) {
        request in
        let (id, words) = (try request.id(AppKind.self), request.words)
        guard let app = try await request.app.database.read("app", { try $0.app(id) }) else {
            throw PageProblem.notFound
        }
        return ConfirmPage.content(
            words("apps.delete.title", ["name": app.name]), [words("apps.delete.what"), words("apps.delete.then")],
            action: "/system/apps/\(id)/delete", button: words("apps.delete.button"), isDanger: true,
            back: "/system/apps", crumbs: [Link(words("system.title.apps"), "/system/apps")], request)
    }

    static let forms = [
        PageForm(path: "/system/apps") { request in
            var body = [
                JSONMember("provider", .string(request.form["provider"] ?? "")),
                JSONMember("name", .string((request.form["name"] ?? "").trimmedBlanks)),
            ]
            body += AppFields.members(request.form)
            do {
                _ = try await request.perform(AppsAPI.create, body: .object(body))
                return .seeOther("/system/apps", note: "app_added")
            } catch let problem as Problem where problem.type == .invalidFields {
                return .again(page, try await content(request, problems: problem.sentences))
            }
        },
        PageForm(path: "/system/apps/{id}/disable") { try await set("disabled", $0) },
        PageForm(path: "/system/apps/{id}/enable") { try await set("active", $0) },
        PageForm(path: "/system/apps/{id}/subscription") { try await order(SubscriptionAPI.create, $0) },
        PageForm(path: "/system/apps/{id}/subscription/check") {
            try await order(SubscriptionAPI.check, $0, body: ["repair": false])
        },
        PageForm(path: "/system/apps/{id}/subscription/remove") { try await order(SubscriptionAPI.delete, $0) },
        PageForm(path: "/system/apps/{id}/delete") { request in
            _ = try await request.perform(AppsAPI.delete, path: ["id": try request.id(AppKind.self).text])
            return .seeOther("/system/apps", note: "app_deleted")
        },
    ]

    private static func order(
        _ action: Action, _ request: PageRequest, body: JSON = .object([])
    ) async throws -> PageAnswer {
        _ = try await request.perform(action, path: ["id": try request.id(AppKind.self).text], body: body)
        return .seeOther("/system/apps", note: "app_ordered")
    }

    private static func set(_ state: String, _ request: PageRequest) async throws -> PageAnswer {
        _ = try await request.perform(
            AppsAPI.update, path: ["id": try request.id(AppKind.self).text], body: ["state": .string(state)])
        return .seeOther("/system/apps", note: "saved")
    }
}
