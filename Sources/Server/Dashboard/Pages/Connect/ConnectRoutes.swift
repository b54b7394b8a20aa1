import Crypto
import Engine
import Hummingbird
import Kit
import Store

/// From a link of ours to the platform's page, and back: `/connect/{link}` and `/callback/{provider}`.
extension Dashboard {
    var connectRoutes: [OtherRoute] {
        [
            OtherRoute("GET", "/connect/{link}") { request, context in
                let cookie = ConnectCookie.value(request, context, app)
                return try await answered(request, context) { try await connectLink($0, browser: cookie) }
            },
            // Whoever loads the form's address anew, or was sent there, sees the page first.
            OtherRoute("GET", "/connect/{link}/go") { request, context in
                try await answered(request, context) {
                    Self.redirect("/connect/\(PercentEncoding.encode($0.linkText))")
                }
            },
            OtherRoute("POST", "/connect/{link}/go") { request, context in
                let cookie = ConnectCookie.value(request, context, app)
                return try await answered(request, context) { page in
                    guard let hooks = app.hooks.connecting else { throw PageProblem.notFound }
                    guard FormOrigin.isOurs(request, page), let cookie, page.isConsent(of: cookie) else {
                        throw PageProblem.foreignForm
                    }
                    return try await leave(page, browser: cookie) {
                        try await hooks.sessions.depart(page.link, browser: $0)
                    }
                }
            },
            OtherRoute("GET", "/connect/again/{id}") { request, context in
                let cookie = ConnectCookie.value(request, context, app)
                return try await answered(request, context) { page in
                    guard let hooks = app.hooks.connecting else { throw PageProblem.notFound }
                    let id = try page.id(ConnectSessionKind.self)
                    return try await leave(page, browser: cookie) {
                        try await hooks.sessions.departAgain(id, browser: $0)
                    }
                }
            },
            OtherRoute("GET", "/callback/{provider}") { request, context in
                let cookie = ConnectCookie.value(request, context, app)
                return try await answered(request, context) { try await comeBack($0, browser: cookie) }
            },
        ]
    }

    /// Without a `return_url` the page names application and user first: the link may have come from anybody.
    private func connectLink(_ request: PageRequest, browser: Secret?) async throws -> Response {
        // A look at whether the address answers must not begin anything.
        guard request.method == "GET", let hooks = app.hooks.connecting else { return Self.html(200, "") }
        guard let session = try await hooks.sessions.session(link: request.link) else {
            return connectPage(ConnectPage.problem(.unknownLink, nil, provider: nil, request), 404, request)
        }
        guard session.returnURL == nil, session.expiresAt > request.now, !session.hasConnected else {
            return try await leave(request, browser: browser) {
                try await hooks.sessions.depart(request.link, browser: $0)
            }
        }
        let browser = browser ?? hooks.sessions.token().secret
        let begin = ConnectPage.begin(session, link: request.linkText, browser: browser, request)
        var response = connectPage(begin, 200, request)
        response.headers.append(.init(name: .setCookie, value: ConnectCookie(request).set(browser)))
        // Where the form is sent by a page without a referrer, browsers say `Origin: null`; and they hold all that the
        // platform's own pages redirect to against `form-action`.
        response.headers[.referrerPolicy] = "same-origin"
        response.headers[.contentSecurityPolicy] = Self.headers[.contentSecurityPolicy]?
            .replacing("form-action 'self'", with: "form-action http: https:")
        return response
    }

    /// To the platform, with a cookie that binds the way to this browser.
    private func leave(
        _ request: PageRequest, browser known: Secret?, _ depart: (Secret) async throws -> ConnectSessions.Departure
    ) async throws -> Response {
        guard request.method != "HEAD", let hooks = app.hooks.connecting else { return Self.html(200, "") }
        // One secret a browser, whatever it connects at the same time in other tabs.
        let browser = known ?? hooks.sessions.token().secret
        switch try await depart(browser) {
        case .platform(let url):
            var response = Self.redirect(url, cookies: [ConnectCookie(request).set(browser)])
            response.headers[.referrerPolicy] = "no-referrer"
            return response
        case .ended(let problem, let session): return ended(problem, session, provider: nil, request)
        }
    }

    private func comeBack(_ request: PageRequest, browser: Secret?) async throws -> Response {
        guard request.method == "GET", let hooks = app.hooks.connecting else { return Self.html(200, "") }
        var callback = ConnectSessions.Callback(provider: request.parameter("provider"))
        // A name that stands there twice says nothing: who reads it first and who reads it last would differ.
        callback.state = request.single("state").map { Secret($0) }
        callback.code = request.single("code").map { Secret($0) }
        callback.error = request.single("error").map { OutsideText.bounded($0, 64) }
        callback.issuer = request.single("iss")
        switch try await hooks.sessions.arrive(callback, browser: browser) {
        case .connected(let session, let row, let code):
            let fields = [("code", code.map { SessionToken.text($0) })]
            if let url = ReturnAddress.url(session, fields) {
                var response = Self.redirect(url)
                response.headers[.referrerPolicy] = "no-referrer"
                return response
            }
            return connectPage(ConnectPage.done(session, row, request), 200, request)
        case .ended(let problem, let session):
            return ended(problem, session, provider: callback.provider, request)
        }
    }

    /// The application hears of it where it said whereto; what it cannot mend has a page of ours all the same.
    private func ended(
        _ problem: ConnectProblem, _ session: ConnectSessionRow?, provider: String?, _ request: PageRequest
    ) -> Response {
        if problem != .used, problem != .linkUsed, let session,
            let url = ReturnAddress.url(session, [("error", problem.code)])
        {
            return Self.redirect(url)
        }
        return connectPage(
            ConnectPage.problem(problem, session, provider: provider, request), ConnectPage.status(problem), request)
    }

    private func connectPage(_ model: ConnectPage.Model, _ status: Int, _ request: PageRequest) -> Response {
        let page = Page(path: request.path, entry: nil, template: "connect") { _ in throw PageProblem.notFound }
        let frame = FrameModel(page, PageContent(Head(model.title), model), request, FrameModel.Surroundings())
        var response = Self.html(
            status, Templates.shared.render("connect-page", frame, in: request.words.language))
        response.headers[.referrerPolicy] = "no-referrer"
        return response
    }
}

/// The cookie that binds a way to a platform to the browser that began it.
struct ConnectCookie {
    private static let life = Duration.minutes(30)

    let name: String
    let isSecure: Bool

    init(_ request: PageRequest) {
        isSecure = request.isSecure
        // Of the address that browsers know, the same at every node behind it.
        let settings = request.app.settings
        let port = (try? OutsideURL(settings.browserAddress))?.port ?? settings.listen.port  // Port 0 is no URL's.
        name = isSecure ? "__Host-patchbay-connect" : "patchbay_connect_\(port)"
    }

    /// What the form of the page that this browser was shown holds: nobody who lacks the cookie can know it.
    static func formToken(of browser: Secret, for link: String) -> String {
        let proof = browser.reveal { HMAC<SHA256>.authenticationCode(for: Array(link.utf8), using: .init(data: $0)) }
        return String(decoding: Base64URL.encode(Array(proof)), as: UTF8.self)
    }

    func set(_ secret: Secret) -> String {
        // Lax: the platform's page sends the browser back by a link, with which it comes along.
        "\(name)=\(SessionToken.text(secret)); Path=/; Max-Age=\(Self.life.components.seconds); HttpOnly; SameSite=Lax"
            + (isSecure ? "; Secure" : "")
    }
}

extension ConnectCookie {
    /// What a browser sends; nil for none.
    static func value(_ request: Request, _ context: Context, _ app: App) -> Secret? {
        let name = ConnectCookie(PageRequest.reading(request, context, app)).name
        return BrowserText.cookies(request.headers[.cookie])[name].flatMap { $0.utf8.count == 43 ? Secret($0) : nil }
    }
}

extension PageRequest {
    fileprivate var linkText: String { parameter("link") }
    fileprivate var link: Secret { Secret(linkText) }

    /// Whether the form came from the page that this browser was shown for this link.
    fileprivate func isConsent(of browser: Secret) -> Bool {
        constantTimeEqual(
            Array(ConnectCookie.formToken(of: browser, for: linkText).utf8), Array((form["token"] ?? "").utf8))
    }

    /// A parameter that stands there once; nil for none, for two, for what is no UTF-8.
    fileprivate func single(_ name: String) -> String? {
        let text = target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        let values = text.split(separator: "&").prefix(100).compactMap { part -> String? in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard PercentEncoding.decode(pair.first ?? "", plusIsBlank: true) == name else { return nil }
            return PercentEncoding.decode(pair.count > 1 ? pair[1] : "", plusIsBlank: true) ?? ""
        }
        return values.count == 1 ? values.first : nil
    }
}
