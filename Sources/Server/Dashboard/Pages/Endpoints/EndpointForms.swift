import Engine
import Kit
import Store

/// Making, changing and ending endpoints.
enum EndpointForms {
    struct Model: Sendable {
        struct TypeBox: Sendable {
            let name: String
            let type: String
            let what: String
            let isChecked: Bool
        }
        let action: String
        let url: String
        let description: String
        let patterns: String
        let boxes: [TypeBox]
        let orders: [FrameModel.Choice]
        /// Only while it is made: what signs does not change afterwards.
        let signings: [FrameModel.Choice]
        let isNew: Bool
        let problems: [String]
        let isWrong: Bool
        let button: String
        let back: String
    }

    /// What the fields hold.
    private struct Values {
        var url = ""
        var description = ""
        var types: [String] = []
        var order = "none"
        var signing = "hmac"

        init() {}
        init(_ endpoint: Endpoint) {
            (url, description, types) = (endpoint.url, endpoint.description ?? "", endpoint.types)
            order = endpoint.orderedBy.rawValue
        }
        init(_ form: [String: String]) {
            (url, description) = (form["url"] ?? "", form["description"] ?? "")
            let boxes = EventCatalogue.summaries.map(\.type).filter { form["t." + $0] != nil }
            let patterns = (form["patterns"] ?? "").split { $0.isWhitespace || $0 == "," }.map(String.init)
            types = boxes + patterns.filter { !boxes.contains($0) }
            (order, signing) = (form["ordered_by"] ?? "none", form["signed_by"] ?? "hmac")
        }
    }

    static let newPage = Page(path: "/endpoints/new", entry: .endpoints, template: "endpoint-form", needs: .admin) {
        request in
        content(Values(), of: nil, problems: [], request)
    }
    static let editPage = Page(
        path: "/endpoints/{id}/edit", entry: .endpoints, template: "endpoint-form", needs: .admin
    ) { request in
        let endpoint = try await endpoint(request)
        return content(Values(endpoint), of: endpoint, problems: [], request)
    }

    static func endpoint(_ request: PageRequest) async throws -> Endpoint {
        let id = try request.id(EndpointKind.self)
        guard let endpoint = try await request.app.database.read("endpoint", { try $0.endpoint(id) }) else {
            throw PageProblem.notFound
        }
        return endpoint
    }

    private static func content(
        _ values: Values, of endpoint: Endpoint?, problems: [String], _ request: PageRequest
    ) -> PageContent {
        let words = request.words
        let known = EventCatalogue.summaries
        func choices(_ all: [String], _ key: String, _ chosen: String) -> [FrameModel.Choice] {
            all.map { FrameModel.Choice(id: $0, label: words("\(key).\($0)"), isChosen: $0 == chosen) }
        }
        var head = Head(words(endpoint == nil ? "endpoints.new" : "endpoint.edit_title"))
        head.crumbs = EndpointPage.crumbs(words)
        if let endpoint {
            head.crumbs.append(Link(Hosts.of(endpoint.url), "/endpoints/\(endpoint.id)"))
        }
        var content = PageContent(
            head,
            Model(
                action: endpoint.map { "/endpoints/\($0.id)/edit" } ?? "/endpoints/new", url: values.url,
                description: values.description,
                patterns: values.types.filter { type in !known.contains { $0.type == type } }.joined(separator: " "),
                boxes: known.map {
                    Model.TypeBox(
                        name: "t." + $0.type, type: $0.type, what: $0.what, isChecked: values.types.contains($0.type))
                },
                orders: choices(Endpoint.Order.allCases.map(\.rawValue), "endpoint.order", values.order),
                signings: choices(Endpoint.Signing.allCases.map(\.rawValue), "endpoint.signed", values.signing),
                isNew: endpoint == nil, problems: problems, isWrong: !problems.isEmpty,
                button: words(endpoint == nil ? "endpoints.make" : "endpoint.save"),
                back: endpoint.map { "/endpoints/\($0.id)" } ?? "/endpoints"),
            commands: [
                Command("CLI", "patchbay endpoints create https://app.example.com/hooks --type 'user.*'")
            ])
        if !problems.isEmpty { content.status = 422 }
        return content
    }

    private static func body(_ values: Values, isNew: Bool) -> JSON {
        var members = [
            JSONMember("url", .string(values.url)),
            JSONMember("description", values.description.isEmpty ? .null : .string(values.description)),
            JSONMember("types", .array(values.types.map(JSON.string))),
            JSONMember("ordered_by", .string(values.order)),
        ]
        if isNew { members.append(JSONMember("signed_by", .string(values.signing))) }
        return .object(members)
    }

    // MARK: Forms

    static let forms = [
        PageForm(path: "/endpoints/new") { request in
            let values = Values(request.form)
            do {
                let answer = try await request.perform(EndpointsAPI.create, body: body(values, isNew: true))
                return .again(SecretPage.page, SecretPage.content(answer, .made, request))
            } catch let problem as Problem where problem.type == .invalidFields {
                return .again(newPage, content(values, of: nil, problems: problem.sentences, request))
            }
        },
        PageForm(path: "/endpoints/{id}/edit") { request in
            let (values, endpoint) = (Values(request.form), try await endpoint(request))
            do {
                _ = try await request.perform(
                    EndpointsAPI.update, path: ["id": endpoint.id.text], body: body(values, isNew: false))
                return .seeOther("/endpoints/\(endpoint.id)", note: "saved")
            } catch let problem as Problem where problem.type == .invalidFields {
                return .again(editPage, content(values, of: endpoint, problems: problem.sentences, request))
            }
        },
        PageForm(path: "/endpoints/{id}/enable") { try await set("active", $0, note: "endpoint_enabled") },
        PageForm(path: "/endpoints/{id}/disable") { try await set("disabled", $0, note: "endpoint_disabled") },
        PageForm(path: "/endpoints/{id}/delete") { request in
            let id = try request.id(EndpointKind.self)
            _ = try await request.perform(EndpointsAPI.delete, path: ["id": id.text])
            return .seeOther("/endpoints", note: "endpoint_deleted")
        },
        PageForm(path: "/endpoints/{id}/rotate") { request in
            let id = try request.id(EndpointKind.self)
            let answer = try await request.perform(EndpointsAPI.rotate, path: ["id": id.text])
            return .again(SecretPage.page, SecretPage.content(answer, .rotated, request))
        },
        PageForm(path: "/endpoints/{id}/test") { request in
            let id = try request.id(EndpointKind.self)
            let answer = try await request.perform(AttemptsAPI.test, path: ["id": id.text])
            let attempt = (try? JSON.parse(answer.body))?["id"]?.text.flatMap { ID<AttemptKind>($0) }
            return .seeOther(attempt.map { "/attempts/\($0)" } ?? "/endpoints/\(id)", note: "tested")
        },
    ]

    private static func set(_ state: String, _ request: PageRequest, note: String) async throws -> PageAnswer {
        let id = try request.id(EndpointKind.self)
        _ = try await request.perform(
            EndpointsAPI.update, path: ["id": id.text], body: ["state": .string(state)])
        return .seeOther("/endpoints/\(id)", note: note)
    }

    // MARK: Confirmations

    static let confirmations = ["disable", "delete", "rotate"].map { act in
        Page(path: "/endpoints/{id}/\(act)", entry: .endpoints, template: "confirm", needs: .admin) { request in
            let (endpoint, words) = (try await endpoint(request), request.words)
            let host = ["host": Hosts.of(endpoint.url)]
            let goes = ["disable", "delete", "rotate"].contains(act) ? words("endpoint.\(act).what", host) : ""
            return ConfirmPage.content(
                words("endpoint.\(act).title", host), [goes, words("endpoint.\(act).then")],
                action: "/endpoints/\(endpoint.id)/\(act)", button: words("endpoint.\(act).button"),
                isDanger: act != "rotate", back: "/endpoints/\(endpoint.id)",
                crumbs: EndpointPage.crumbs(words) + [Link(host["host"] ?? "", "/endpoints/\(endpoint.id)")], request)
        }
    }
}

extension Problem {
    /// A sentence for each field, for a form.
    var sentences: [String] { fields.isEmpty ? [detail] : fields.map { "\($0.field): \($0.problem)" } }
}

/// Asks once more before what cannot be undone, and names what goes and what stays.
enum ConfirmPage {
    struct Model: Sendable {
        let sentences: [String]
        let action: String
        let button: String
        let isDanger: Bool
        let back: String
        /// What has to be typed first.
        let typed: String?
        let problems: [String]
    }

    static func content(
        _ title: String, _ sentences: [String], action: String, button: String, isDanger: Bool, back: String,
        typed: String? = nil, problems: [String] = [], crumbs: [Link], _ request: PageRequest
    ) -> PageContent {
        var head = Head(title)
        head.crumbs = crumbs
        var content = PageContent(
            head,
            Model(
                sentences: sentences, action: action, button: button, isDanger: isDanger, back: back, typed: typed,
                problems: problems))
        if !problems.isEmpty { content.status = 422 }
        return content
    }
}

/// A secret, shown once.
enum SecretPage {
    enum Occasion: String { case made, rotated }
    struct Model: Sendable {
        let sentence: String
        let secret: Command
        let after: String
        let back: Link
    }

    static let page = Page(path: "/endpoints/secret", entry: .endpoints, template: "secret") { _ in
        throw PageProblem.notFound
    }

    static func content(_ answer: Answer, _ occasion: Occasion, _ request: PageRequest) -> PageContent {
        let (words, json) = (request.words, (try? JSON.parse(answer.body)) ?? .null)
        let id = json["id"]?.text ?? ""
        let isPublic = json["secret"] == nil
        let until = request.times.moment(request.now + Endpoints.grace).text
        var head = Head(words("secret.title.\(occasion.rawValue)"))
        head.crumbs = EndpointPage.crumbs(words)
        return PageContent(
            head,
            Model(
                sentence: words(isPublic ? "secret.public" : "secret.once"),
                secret: Command(nil, json["secret"]?.text ?? json["public_key"]?.text ?? "?"),
                after: occasion == .rotated ? words("secret.both", ["time": until]) : words("secret.use"),
                back: Link(words("secret.to_endpoint"), "/endpoints/\(id)")))
    }
}
