import Hummingbird
import Kit
import Store

extension PageRequest {
    /// A form holds at most so many bytes.
    private static let formMax = 64 << 10

    /// The request as far as nothing can fail: without its form and without who asks.
    static func reading(_ request: Request, _ context: Context, _ app: App) -> PageRequest {
        let cookies = BrowserText.cookies(request.headers[.cookie])
        var parameters: [String: String] = [:]
        for (name, value) in context.parameters {
            parameters[String(name)] = PercentEncoding.decode(value, plusIsBlank: false) ?? ""
        }
        let isProxied = context.peer.map(ClientAddress(trustedProxies: app.settings.trustedProxies).isProxy) ?? false
        return PageRequest(
            app: app, method: request.method.rawValue, route: context.endpointPath ?? "none",
            target: request.uri.string, parameters: parameters,
            query: BrowserText.fields(request.uri.query ?? ""), form: [:],
            reader: Reader(cookies: cookies, acceptLanguage: request.headers[.acceptLanguage]), visitor: nil,
            address: ClientAddress(trustedProxies: app.settings.trustedProxies).of(request, context),
            browser: OutsideText.bounded(request.headers[.userAgent] ?? "?", 200),
            isSecure: app.settings.tls != nil
                || isProxied && request.headers[.forwardedProto]?.lowercased() == "https",
            correlation: context.correlation, now: app.now())
    }

    /// The same with its form and with who asks.
    func signedIn(_ request: Request, _ context: Context, _ sessions: Sessions) async throws -> PageRequest {
        var form: [String: String] = [:]
        // A form with a file is read where its page takes one.
        if request.method == .post, !SentParts.isMultipart(request.headers[.contentType]) {
            let buffer = try await request.body.collect(upTo: Self.formMax)
            form = BrowserText.fields(String(decoding: buffer.readableBytesView, as: UTF8.self))
        }
        let name = cookie.name
        var visitor: Visitor?
        if let token = BrowserText.cookies(request.headers[.cookie])[name], token.utf8.count == 64 {
            visitor = try await sessions.visitor(Secret(token), at: now)
        }
        return with(form: form, visitor: visitor)
    }

    var cookie: SessionCookie { SessionCookie(isSecure: isSecure, port: app.settings.listen.port) }

    func with(form: [String: String], visitor: Visitor?) -> PageRequest {
        PageRequest(
            app: app, method: method, route: route, target: target, parameters: parameters, query: query, form: form,
            reader: reader, visitor: visitor, address: address, browser: browser, isSecure: isSecure,
            correlation: correlation, now: now)
    }

    /// The same request for another address of ours: what a live page asks when it is drawn anew.
    func asking(_ target: String, parameters: [String: String]) -> PageRequest {
        PageRequest(
            app: app, method: "GET", route: route, target: target, parameters: parameters,
            query: BrowserText.fields(target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""), form: [:],
            reader: reader, visitor: visitor, address: address, browser: browser, isSecure: isSecure,
            correlation: correlation, now: app.now())
    }

    /// Acts as the API does, in the operator's name: the same checks, the same idempotency, the same audit.
    ///
    /// - Throws: `Problem`, as the API would answer.
    func perform(
        _ action: Action, path: [String: String] = [:], body: JSON = .null, headers: HTTPFields = [:]
    ) async throws -> Answer {
        try await action.run(try asked(action, path: path, body: body, headers: headers))
    }

    /// The request to the API that an action of a page is.
    ///
    /// - Parameter once: marks an act of several in one form.
    /// - Throws: `Problem` with what the action's schema finds.
    func asked(
        _ action: Action, path: [String: String] = [:], query: [String: JSON] = [:], body: JSON = .null,
        headers: HTTPFields = [:], file: RequestBody? = nil, once part: String = ""
    ) throws -> APIRequest {
        let scopes = visitor?.isAdmin == true ? Scope("admin") : Scope("read")
        let caller = Caller(
            id: operatorID, name: operatorID, scopes: scopes.map { [$0] } ?? [], version: APIVersion.current)
        if let schema = action.body {
            let problems = schema.problems(in: body)
            guard problems.isEmpty else { throw Problem(.invalidFields, problems) }
        }
        let once = form["once"].flatMap { (8...128).contains($0.utf8.count) ? $0 + part : nil }
        return APIRequest(
            app: app, method: method, target: target, headers: headers, correlation: correlation, caller: caller,
            now: now, path: path, query: query, body: body, bodyBytes: action.body == nil ? [] : body.bytes,
            file: file, idempotencyKey: once)
    }
}
