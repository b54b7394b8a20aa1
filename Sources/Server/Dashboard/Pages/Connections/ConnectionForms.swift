import Engine
import Kit
import Store

/// What is done from the pages of connections: as the API does it.
enum ConnectionForms {
    // MARK: A new one

    struct NewModel: Sendable {
        struct Platform: Sendable {
            let id: String
            let jack: Jack
            let name: String
            let what: [String]
            /// Nil where it can be connected.
            let lacks: String?
            let isReady: Bool
        }
        let platforms: [Platform]
        let hasNone: Bool
        let user: String
        let problems: [String]
    }

    static let newPage = Page(
        path: "/connections/new", entry: .connections, template: "connection-new", needs: .admin
    ) { request in
        try await newContent(request, problems: [])
    }

    private static func newContent(_ request: PageRequest, problems: [String]) async throws -> PageContent {
        let words = request.words
        var platforms: [NewModel.Platform] = []
        for platform in request.app.hooks.connecting?.platforms ?? [] {
            let isReady = try await request.app.hooks.connecting?.sessions.usualApp(of: platform.about.id) != nil
            let names = platform.oauth.settings
            platforms.append(
                NewModel.Platform(
                    id: platform.about.id, jack: Jack(platform.about.name, size: "l"), name: platform.about.name,
                    what: platform.oauth.permissions.map(\.what).filter { !$0.isEmpty },
                    lacks: isReady
                        ? nil : words("connection.lacks", ["names": "\(names.clientID), \(names.clientSecret)"]),
                    isReady: isReady))
        }
        var head = Head(words("connections.new"))
        head.crumbs = ConnectionPage.crumbs(words)
        head.lede = words("connection.new.lede")
        var content = PageContent(
            head,
            NewModel(
                platforms: platforms, hasNone: platforms.isEmpty,
                user: OutsideText.bounded(request.form["user_id"] ?? request.query["user"] ?? ""),
                problems: problems))
        if !problems.isEmpty { content.status = 422 }
        return content
    }

    // MARK: The link

    static let linkPage = Page(path: "/connections/link", entry: .connections, template: "secret") { _ in
        throw PageProblem.notFound
    }

    /// The link, shown once.
    private static func link(_ answer: Answer, back: String, _ request: PageRequest) -> PageContent {
        let (words, json) = (request.words, (try? JSON.parse(answer.body)) ?? .null)
        var head = Head(words("connection.link.title"))
        head.crumbs = ConnectionPage.crumbs(words)
        return PageContent(
            head,
            SecretPage.Model(
                sentence: words("connection.link.sentence", ["user": json["user_id"]?.text ?? "?"]),
                secret: Command(nil, json["url"]?.text ?? "?"), after: words("connection.link.after"),
                back: Link(words("connection.link.back"), back)))
    }

    // MARK: Forms

    static let forms: [PageForm] = [
        PageForm(path: "/connections/new") { request in
            let body: JSON = [
                "user_id": .string(request.form["user_id"] ?? ""), "provider": .string(request.form["provider"] ?? ""),
            ]
            do {
                let answer = try await request.perform(ConnectSessionsAPI.create, body: body)
                return .again(linkPage, link(answer, back: "/connections", request))
            } catch let problem as Problem where problem.type.status < 500 {
                return .again(newPage, try await newContent(request, problems: problem.sentences))
            }
        },
        PageForm(path: "/connections/{id}/reconnect") { request in
            let id = try request.id(ConnectionKind.self)
            guard let row = try await request.app.database.read("connection", { try $0.connection(id) }) else {
                throw PageProblem.notFound
            }
            let body: JSON = [
                "user_id": .string(row.userID), "provider": .string(row.provider), "connection_id": JSON(id),
            ]
            let answer = try await request.perform(ConnectSessionsAPI.create, body: body)
            return .again(linkPage, link(answer, back: "/connections/\(id)", request))
        },
        PageForm(path: "/connections/{id}/refresh") { request in
            let id = try request.id(ConnectionKind.self)
            do {
                _ = try await request.perform(ConnectionsAPI.refresh, path: ["id": id.text])
                return .seeOther("/connections/\(id)", note: "connection_refreshed")
            } catch let problem as Problem where [.needsReconnect, .providerUnavailable].contains(problem.type) {
                return .seeOther("/connections/\(id)", note: "connection_not_refreshed")
            }
        },
        PageForm(path: "/connections/{id}/pause") { try await set("paused", $0) },
        PageForm(path: "/connections/{id}/resume") { try await set("active", $0) },
        PageForm(path: "/connections/{id}/disconnect") { request in
            let id = try request.id(ConnectionKind.self)
            _ = try await request.perform(ConnectionsAPI.delete, path: ["id": id.text])
            return .seeOther("/connections/\(id)", note: "connection_disconnected")
        },
    ]

    private static func set(_ state: String, _ request: PageRequest) async throws -> PageAnswer {
        let id = try request.id(ConnectionKind.self)
        _ = try await request.perform(ConnectionsAPI.update, path: ["id": id.text], body: ["state": .string(state)])
        return .seeOther("/connections/\(id)", note: "connection_\(state)")
    }

    static let disconnectPage = Page(
        path: "/connections/{id}/disconnect", entry: .connections, template: "confirm", needs: .admin
    ) { request in
        let (id, words) = (try request.id(ConnectionKind.self), request.words)
        guard let row = try await request.app.database.read("connection", { try $0.connection(id) }),
            row.deletedAt == nil
        else { throw PageProblem.notFound }
        let values = [
            "account": ConnectionWords.name(row, words), "platform": ConnectionWords.platform(row, request),
            "user": row.userID,
        ]
        return ConfirmPage.content(
            words("connection.disconnect.title", values),
            [words("connection.disconnect.goes", values), words("connection.disconnect.stays", values)],
            action: "/connections/\(id)/disconnect", button: words("connection.disconnect.button"), isDanger: true,
            back: "/connections/\(id)",
            crumbs: ConnectionPage.crumbs(words) + [Link(values["account"] ?? "", "/connections/\(id)")], request)
    }
}
