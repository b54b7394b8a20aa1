import Engine
import Kit
import Store

/// Linking a customer to a user, giving out what is kept, erasing it.
enum UserForms {
    static let forms = [
        PageForm(path: "/users/{id}/link") { request in
            _ = try await request.perform(link(request), path: ["id": request.parameter()])
            return .seeOther(Places.user(request.parameter()), note: "linked")
        },
        PageForm(path: "/users/{id}/export") { request in
            .document(try await request.perform(UserExport.action, path: ["id": request.parameter()]))
        },
        PageForm(path: "/users/{id}/erase") { request in
            let id = request.parameter()
            guard id.hasSameBytes(as: request.form["typed"] ?? "") else {
                return .again(
                    erasePage, try await confirmation(request, problems: [request.words("user.erase.mistyped")]))
            }
            let answer = try await request.perform(ErasuresAPI.erase, path: ["id": id])
            let erasure = answer.location.flatMap { $0.split(separator: "/").last }.map(String.init) ?? ""
            return .seeOther("/erasures/\(erasure)")
        },
    ]

    /// A person says whose customer it is: as the review of it would.
    private static func link(_ request: PageRequest) throws -> Action {
        let (user, provider) = (request.parameter(), request.form["provider"] ?? "")
        let customer = (request.form["customer"] ?? "").trimmedBlanks
        guard Providers.billingSources.contains(where: { $0.about.id.hasSameBytes(as: provider) }) else {
            throw Problem(.invalidFields, [FieldProblem("provider", request.words("user.link.provider"))])
        }
        guard OutsideID.passes(customer) else {
            throw Problem(.invalidFields, [FieldProblem("customer", request.words("user.link.missing"))])
        }
        let (ids, jobs) = (ReadyIDs(request.app.ids, changes: 64), EventReleasing.ReadyJobs(request.app.ids))
        let auditID = request.app.ids.make(AuditKind.self)
        return Action(
            "linkCustomer", "Link a customer to a user", .needs(.write, "users"), path: UsersAPI.path,
            isIdempotent: true, answers: []
        ) { api in
            let now = api.now
            return try await api.once("link_customer") { session in
                guard try session.user(user) != nil else { throw Problem(.notFound, "There is no such user.") }
                var ids = ids
                let link = NewLink(
                    provider: provider, customer: customer, userID: user, source: .review, statedAt: now)
                let linked = try session.link(link, by: api.caller.id, ids: &ids, at: now)
                try EventReleasing.enqueue(linked, jobs, in: session, at: now)
                try session.audit(
                    NewAudit(
                        auditID, "user.customer_linked", nil, by: api,
                        detail: ["user": .string(UserDigest.of(user))]))
                return .noContent
            }
        }
    }

    // MARK: Erasing

    static let erasePage = Page(path: "/users/{id}/erase", entry: .users, template: "confirm", needs: .admin) {
        request in
        try await confirmation(request, problems: [])
    }

    private static func confirmation(_ request: PageRequest, problems: [String]) async throws -> PageContent {
        let (id, words) = (request.parameter(), request.words)
        guard OutsideID.passes(id), try await request.app.database.read("user", { try $0.user(id) }) != nil else {
            throw PageProblem.notFound
        }
        return ConfirmPage.content(
            words("user.erase.title", ["id": id]),
            ["goes", "stays", "cannot"].map { words("user.erase.\($0)") }, action: Places.user(id) + "/erase",
            button: words("user.erase.button"), isDanger: true, back: Places.user(id), typed: id, problems: problems,
            crumbs: [Link(words("nav.users"), "/users"), Link(id, Places.user(id))], request)
    }

    // MARK: The receipt

    struct Erasure: Sendable {
        struct Kept: Sendable {
            let what: String
            let why: String
        }
        let facts: [Fact]
        let erased: [Fact]
        let hasErased: Bool
        let kept: [Kept]
        let outside: [String]
    }

    static let erasure = Page(
        path: "/erasures/{id}", entry: .users, template: "erasure", fragments: ["erasure-now"], every: .seconds(2)
    ) { request in
        let (id, words) = (try request.id(ErasureKind.self), request.words)
        let answer = try await request.perform(ErasuresAPI.get, path: ["id": id.text])
        let json = (try? JSON.parse(answer.body)) ?? .null
        let isDone = json["state"]?.text == "done"
        var head = Head(words("erasure.title"))
        head.crumbs = [Link(words("nav.users"), "/users")]
        head.id = ShortID(id.text)
        head.pill = Pill(isDone ? .ok : .running, words(isDone ? "erasure.done" : "erasure.running"))
        func time(_ name: String) -> Timestamp? { json[name]?.text.flatMap(Timestamp.init(rfc3339:)) }
        var facts = [
            Fact(
                words(json["provider"]?.text == nil ? "erasure.user" : "erasure.account"),
                json["user"]?.text ?? json["account"]?.text ?? "?", isCode: true),
            Fact(words("erasure.by"), ShortID(json["asked_by"]?.text ?? "?").short),
        ]
        if let asked = time("asked_at") { facts.append(Fact(words("erasure.asked"), request.times.moment(asked))) }
        if let end = time("finished_at") { facts.append(Fact(words("erasure.ended"), request.times.moment(end))) }
        let erased = (json["erased"]?.members ?? []).map {
            Fact($0.name.replacing("_", with: " "), words.number($0.value.integer ?? 0))
        }
        return PageContent(
            head,
            Erasure(
                facts: facts, erased: erased, hasErased: !erased.isEmpty,
                kept: (json["kept"]?.elements ?? []).map {
                    Erasure.Kept(what: $0["what"]?.text ?? "", why: $0["why"]?.text ?? "")
                }, outside: (json["outside"]?.elements ?? []).compactMap(\.text)),
            commands: [request.curl("/v1/erasures/\(id)")])
    }
}

extension String {
    /// Without blanks at its ends: what somebody pasted.
    var trimmedBlanks: String {
        let text = drop { $0.isWhitespace }
        guard let end = text.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(text[...end])
    }
}
