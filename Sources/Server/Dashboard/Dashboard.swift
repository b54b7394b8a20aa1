import Hummingbird
import Kit
import Logging
import Store
import Synchronization

/// The pages for operators: routes them, knows who is signed in, draws what they answer.
struct Dashboard: Sendable {
    let app: App
    let sessions: Sessions
    let pages: [Page]
    let forms: [PageForm]
    private let outage = Outage()

    init(_ app: App) {
        self.app = app
        sessions = Sessions(database: app.database, ids: app.ids, cost: app.passwordCost)
        let (demo, sandbox) = (app.hooks.demo, app.hooks.sandbox)
        pages = Pages.all + (demo.map(DemoPages.pages) ?? []) + (sandbox.map(SandboxPage.pages) ?? [])
        forms = Pages.forms + (demo.map(DemoPages.forms) ?? []) + (sandbox.map(SandboxPage.forms) ?? [])
    }

    var routes: [OtherRoute] {
        let assets = OtherRoute("GET", "/assets/{name}") { _, context in
            try Assets.shared.response(context.parameters.get("name") ?? "")
        }
        let shown = pages.map { page in
            OtherRoute("GET", page.path) { request, context in
                try await answered(request, context) { try await show(page, $0) }
            }
        }
        let sent = forms.map { form in
            OtherRoute("POST", form.path) { request, context in
                try await answered(request, context) { try await take(form, $0, request) }
            }
        }
        let live = OtherRoute("GET", "/dashboard/stream") { request, context in
            try await answered(request, context) {
                try await stream($0, headers: request.headers, hangUp: context.hangUp)
            }
        }
        let once = OtherRoute("GET", "/dashboard/fragments") { request, context in
            try await answered(request, context) { try await fragments($0) }
        }
        let old = OtherRoute("GET", "/dashboard") { _, _ in Self.redirect("/") }
        let reviews = OtherRoute("GET", "/reviews") { _, _ in Self.redirect(NavEntry.review.path) }
        let suggestions = OtherRoute("GET", "/search/suggestions") { request, context in
            try await answered(request, context) { try await SearchPage.suggestions($0) }
        }
        return [assets, live, once, old, reviews, suggestions] + doors + connectRoutes + [deletionRoute] + downloads
            + exports + shown + sent
    }

    // MARK: Showing

    /// A page for whoever is signed in; others are asked to sign in first.
    private func show(_ page: Page, _ request: PageRequest) async throws -> Response {
        guard let visitor = request.visitor else {
            let next = request.target == "/" ? nil : BrowserText.ownPath(request.target)
            return Self.redirect("/sign-in" + BrowserText.query([("next", next)]))
        }
        guard page.isOpen(to: visitor) else { throw PageProblem.forbidden }
        let content = try await page.load(request)
        if let demo = app.hooks.demo { await DemoPages.note(page, request, demo) }
        return try await draw(page, content, request)
    }

    private func draw(_ page: Page, _ content: PageContent, _ request: PageRequest) async throws -> Response {
        let model = FrameModel(page, content, request, try await surroundings())
        outage.isOver()
        return Self.html(content.status, Templates.shared.render("frame", model, in: request.words.language))
    }

    func surroundings() async throws -> FrameModel.Surroundings {
        try await app.database.read("dashboard_frame") { session in
            FrameModel.Surroundings(attention: try session.attention(), position: try session.feedHead())
        }
    }

    // MARK: Forms

    private func take(_ form: PageForm, _ request: PageRequest, _ raw: Request) async throws -> Response {
        guard let visitor = request.visitor else { return Self.redirect("/sign-in") }
        guard FormOrigin.isOurs(raw, request) else { throw PageProblem.foreignForm }
        guard form.needs == .viewer || visitor.isAdmin else {
            let operators = try await app.database.read("operators") { try $0.operators(limit: 100) }
            throw PageProblem.needsAdmin(operators.filter { $0.role == .admin }.map(\.name))
        }
        let request = form.takesFile ? try await request.withFile(raw, of: visitor) : request
        guard visitor.formToken.hasSameBytes(as: request.form["csrf"] ?? "") else { throw PageProblem.foreignForm }
        switch try await form.run(request) {
        case .seeOther(let path, let note, let cookies):
            return Self.redirect(Self.with(note: note, path), cookies: cookies)
        case .again(let page, let content): return try await draw(page, content, request)
        case .document(let answer): return Response(answer)
        }
    }

    private static func with(note: String?, _ path: String) -> String {
        guard let note else { return path }
        let parts = path.split(separator: "#", maxSplits: 1).map(String.init)
        let mark = (parts.first ?? "").contains("?") ? "&" : "?"
        return (parts.first ?? "/") + "\(mark)note=\(note)" + (parts.count > 1 ? "#\(parts[1])" : "")
    }

    // MARK: Answers

    static func redirect(_ path: String, cookies: [String] = []) -> Response {
        var headers = headers
        headers[.location] = path
        for cookie in cookies { headers.append(HTTPFields.Element(name: .setCookie, value: cookie)) }
        return Response(status: .seeOther, headers: headers)
    }

    static func html(_ status: Int, _ text: String) -> Response {
        var headers = headers
        headers[.contentType] = "text/html; charset=utf-8"
        return Response(
            status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    /// On every answer of the pages: nothing from elsewhere, nothing inline, in nobody's frame, in no cache.
    static var headers: HTTPFields {
        var headers = HTTPFields()
        headers[.contentSecurityPolicy] = """
            default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
            font-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'
            """
        headers[.contentTypeOptions] = "nosniff"
        // Not `no-referrer`: with that a browser says `Origin: null` where a form is sent.
        headers[.referrerPolicy] = "same-origin"
        headers[.cacheControl] = "no-store"
        return headers
    }

    // MARK: Reading and failing

    /// Reads the request, runs the answer, and turns what goes wrong into a page.
    func answered(
        _ request: Request, _ context: Context, _ answer: (PageRequest) async throws -> Response
    ) async throws -> Response {
        let plain = PageRequest.reading(request, context, app)
        do {
            let full = try await plain.signedIn(request, context, sessions)
            do { return try await answer(full) } catch let error where !(error is CancellationError) {
                return problem(error, full)
            }
        } catch let error where !(error is CancellationError) {
            return problem(error, plain)
        }
    }

    func problem(_ error: any Error, _ request: PageRequest) -> Response {
        if case .some(.elsewhere(let path)) = error as? PageProblem { return Self.redirect(path) }
        let model = ProblemPage.model(error, request, since: outage.since(error, at: request.now))
        if model.status >= 500 {
            context(request).error("page.failed", metadata: ["route": "\(request.route)", "reason": "\(error)"])
        }
        return alone("problem", model.status, model.title, model, request)
    }

    private func context(_ request: PageRequest) -> Logger {
        var logger = app.logger
        logger[metadataKey: "request_id"] = .string(request.correlation.requestID)
        return logger
    }

    /// A page without the frame.
    func alone(
        _ template: String, _ status: Int, _ title: String, _ model: any Sendable, _ request: PageRequest
    ) -> Response {
        let page = Page(path: request.path, entry: nil, template: template) { _ in throw PageProblem.notFound }
        let frame = FrameModel(page, PageContent(Head(title), model), request, FrameModel.Surroundings())
        return Self.html(status, Templates.shared.render("alone", frame, in: request.words.language))
    }
}

/// Since when the database has not answered. Guards one moment.
final class Outage: Sendable {
    private let began = Mutex<Timestamp?>(nil)

    /// Notes an error; when the outage began, if it is one.
    func since(_ error: any Error, at now: Timestamp) -> Timestamp? {
        guard case .some(.unavailable) = error as? StoreError else { return nil }
        return began.withLock { began in
            began = began ?? now
            return began
        }
    }
    func isOver() { began.withLock { $0 = nil } }
}

/// Whether a form was sent by a page of this server: what the browser says of its origin, before any token.
enum FormOrigin {
    static func isOurs(_ raw: Request, _ request: PageRequest) -> Bool {
        if let site = raw.headers[.secFetchSite] { return site == "same-origin" }
        guard let origin = raw.headers[.origin] else { return false }
        let hosts = [
            raw.head.authority, request.app.settings.publicURL.map { String($0.split(separator: "/").last ?? "") },
        ]
        return hosts.compactMap { $0 }.contains { origin == "http://\($0)" || origin == "https://\($0)" }
    }
}
