import Hummingbird
import Kit
import Store

/// The pages in front of the sign-in: sign in, set a password by a one-time address, sign out.
extension Dashboard {
    var doors: [OtherRoute] {
        [
            OtherRoute("GET", "/sign-in") { request, context in
                try await answered(request, context) { try await signInPage($0) }
            },
            OtherRoute("POST", "/sign-in") { request, context in
                try await answered(request, context) { page in
                    guard FormOrigin.isOurs(request, page) else { throw PageProblem.foreignForm }
                    return try await signIn(page)
                }
            },
            OtherRoute("GET", "/sign-in/{token}") { request, context in
                try await answered(request, context) { try await signInByLink($0) }
            },
            OtherRoute("GET", "/setup/{token}") { request, context in
                try await answered(request, context) { try await setupPage($0) }
            },
            OtherRoute("POST", "/setup/{token}") { request, context in
                try await answered(request, context) { page in
                    guard FormOrigin.isOurs(request, page) else { throw PageProblem.foreignForm }
                    return try await setUp(page)
                }
            },
            OtherRoute("POST", "/sign-out") { request, context in
                try await answered(request, context) { page in
                    guard let visitor = page.visitor else { return Self.redirect("/sign-in") }
                    guard FormOrigin.isOurs(request, page),
                        visitor.formToken.hasSameBytes(as: page.form["csrf"] ?? "")
                    else { throw PageProblem.foreignForm }
                    _ = try await sessions.end(visitor.session.id, by: page)
                    return Self.redirect("/sign-in", cookies: [page.cookie.clear])
                }
            },
        ]
    }

    // MARK: Signing in

    struct SignInModel: Sendable {
        let place: String
        let hasNobody: Bool
        let command: Command
        let next: String
        let name: String
        let isWrong: Bool
        let problems: [String]
    }

    private func signInPage(
        _ request: PageRequest, status: Int = 200, problem: String? = nil
    ) async throws -> Response {
        if request.visitor != nil, problem == nil { return Self.redirect("/") }
        let hasNobody = try await !app.database.read("operators") { try $0.hasOperators() }
        let model = SignInModel(
            place: place(request), hasNobody: hasNobody,
            command: Command(nil, "patchbay operators add --role admin NAME"),
            next: BrowserText.ownPath(request.form["next"] ?? request.query["next"]),
            name: String((request.form["name"] ?? "").prefix(OperatorName.longest)), isWrong: problem != nil,
            problems: problem.map { [$0] } ?? [])
        return alone("sign-in", status, request.words("sign_in.title"), model, request)
    }

    private func place(_ request: PageRequest) -> String {
        let mode = app.settings.isDemo ? "demo" : app.settings.mode.rawValue
        let host = app.settings.browserAddress.split(separator: "/").last.map(String.init) ?? ""
        return request.words("sign_in.place.\(mode)", ["host": host])
    }

    private func signIn(_ request: PageRequest) async throws -> Response {
        let name = request.form["name"] ?? ""
        let password = request.form["password"] ?? ""
        guard name.utf8.count <= 4 * OperatorName.longest, password.utf8.count <= 4096 else {
            throw PageProblem.foreignForm
        }
        switch try await sessions.signIn(name, Secret(password), by: request) {
        case .done(let token):
            return Self.redirect(BrowserText.ownPath(request.form["next"]), cookies: [request.cookie.set(token)])
        case .wrong(let left):
            let pause = ["pause": request.words.age(SignInGuard.pause)]
            return try await signInPage(
                request, status: 422, problem: request.words.count("sign_in.wrong", left, pause))
        case .paused(let until):
            let time = request.times.clock(until).text
            return try await signInPage(
                request, status: 429, problem: request.words("sign_in.paused", ["time": time]))
        }
    }

    // MARK: One-time addresses

    private func signInByLink(_ request: PageRequest) async throws -> Response {
        // A look at whether the address answers must not use it up.
        guard request.method == "GET" else { return Self.html(200, "") }
        let (hash, now) = (SessionToken.hash(Secret(request.parameter("token"))), request.now)
        let taken = try await app.database.write("take_link") { try $0.takeLink(.signIn, hash: hash, at: now) }
        guard case .some(.some(let id)) = taken,
            try await app.database.read("operator", { try $0.operatorRow(id) }) != nil
        else { return linkGone(request) }
        let token = try await sessions.open(id, "operator.signed_in_by_link", by: request)
        return Self.redirect("/", cookies: [request.cookie.set(token)])
    }

    private func linkGone(_ request: PageRequest) -> Response {
        let model = ProblemPage.Model(
            status: 410, pill: nil, title: request.words("link.gone.title"),
            sentence: request.words("link.gone.sentence"), more: "patchbay operators reset NAME", hasSearch: false,
            link: Link(request.words("sign_in.act"), "/sign-in"), reference: nil)
        return alone("problem", 410, model.title, model, request)
    }

    struct SetupModel: Sendable {
        let title: String
        let place: String
        let action: String
        let isFirst: Bool
        let name: String
        let isWrong: Bool
        let problems: [String]
    }

    private func setupPage(_ request: PageRequest, problem: String? = nil) async throws -> Response {
        let (hash, now) = (SessionToken.hash(Secret(request.parameter("token"))), request.now)
        let (link, row) = try await app.database.read("link") { store in
            let link = try store.link(.setup, hash: hash, at: now)
            return (link, try link.flatMap { $0 }.flatMap { try store.operatorRow($0) })
        }
        guard let link, link == nil || row != nil else { return linkGone(request) }
        let words = request.words
        let title = row.map { words("setup.reset", ["name": $0.name]) } ?? words("setup.first")
        let model = SetupModel(
            title: title, place: place(request), action: request.path, isFirst: row == nil,
            name: row?.name ?? String((request.form["name"] ?? "").prefix(OperatorName.longest)),
            isWrong: problem != nil, problems: problem.map { [$0] } ?? [])
        return alone("setup", problem == nil ? 200 : 422, title, model, request)
    }

    private func setUp(_ request: PageRequest) async throws -> Response {
        let (words, now) = (request.words, request.now)
        if let problem = NewPassword.problem(request.form, words) {
            return try await setupPage(request, problem: problem)
        }
        let name = (request.form["name"] ?? "").trimmingBlanks
        let password = Secret(request.form["password"] ?? "")
        let hash = SessionToken.hash(Secret(request.parameter("token")))
        // Nobody's address makes this machine hash.
        guard try await app.database.read("link", { try $0.link(.setup, hash: hash, at: now) }) != nil else {
            return linkGone(request)
        }
        let (salt, cost) = (app.ids.bytes(16), sessions.cost)
        let kept = try await sessions.desk.work { try Passwords.kept(password, salt: salt, cost: cost) }
        let first = OperatorRow(
            id: app.ids.make(), name: name, role: .admin, password: kept, createdAt: now, passwordAt: now)
        let outcome = try await app.database.write("set_up") { store -> SetUp in
            guard let link = try store.link(.setup, hash: hash, at: now) else { return .gone }
            if let id = link {
                guard try store.setPassword(kept, of: id, at: now) else { return .gone }
                _ = try store.takeLink(.setup, hash: hash, at: now)
                return .done(id)
            }
            guard !name.isEmpty else { return .wrong("setup.name_missing") }
            guard OperatorName.fits(name) else { return .wrong("setup.name_form") }
            guard try store.add(first) else { return .wrong("setup.name_taken") }
            try store.endFirstLinks()
            return .done(first.id)
        }
        switch outcome {
        case .gone: return linkGone(request)
        case .wrong(let key): return try await setupPage(request, problem: words(key))
        case .done(let id):
            let token = try await sessions.open(id, "operator.password_set", by: request)
            return Self.redirect("/", cookies: [request.cookie.set(token)])
        }
    }

    private enum SetUp: Sendable {
        case gone
        /// A key of the words.
        case wrong(String)
        case done(ID<OperatorKind>)
    }
}

extension String {
    /// Without blanks at its ends.
    var trimmingBlanks: String {
        let text = drop { $0.isWhitespace }
        return String(text.prefix(text.count - text.reversed().prefix { $0.isWhitespace }.count))
    }
}
