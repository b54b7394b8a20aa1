import Engine
import HTTPTypes
import Hummingbird
import Kit
import NIOCore

/// `POST /webhooks/{provider}` and `/webhooks/{provider}/{id}`: raw bytes first, then the gateway, then an answer.
/// `GET` for a platform that asks first whether the address is ours, or whose deliveries may come so.
struct WebhookRoutes: Sendable {
    let gateway: Gateway
    /// From a name in an address to the platform's id.
    let aliases: [String: String]
    let trustedProxies: [CIDR]
    let time: TimeSource
    let metrics: Metrics
    /// Before `/docs/errors/`.
    var base = ""
    /// How platforms call this server, for those that sign the address: from the settings, never from the request.
    var address = ""
    /// What all connections together may hold of bodies.
    var budget = BodyBudget()

    /// A body that comes slower than this in all is not a webhook.
    private static var bodySeconds: Int64 { 30 }
    /// After an answer that says "later".
    private static var retryAfter: Duration { .seconds(5) }

    var all: [OtherRoute] {
        ["/webhooks/{provider}", "/webhooks/{provider}/{id}"].flatMap { path in
            [path, "/api" + path].flatMap { path in
                [OtherRoute("POST", path, respond: receive), OtherRoute("GET", path, respond: get)]
            }
        } + callbacks
    }

    /// What platforms tell beside their webhooks, each at the address that it declares, or behind it the app's id.
    private var callbacks: [OtherRoute] {
        gateway.callbacks.flatMap { provider, callback in
            [callback.path, callback.path + "/{id}"].map { path in
                OtherRoute("POST", path) { request, context in
                    let owner = context.parameters.get("id")
                    guard await gateway.isOn(provider, owner: owner) else {
                        return problem(.webhookRouteOff, Self.routeOff, context)
                    }
                    return try await take(
                        request, context, provider, owner, callback, limit: callback.scheme.bodyLimit)
                }
            }
        }
    }

    /// Whose address was called.
    private func place(_ context: Context) -> (provider: String, owner: String?) {
        let name = context.parameters.get("provider") ?? ""
        return (aliases[name] ?? name, context.parameters.get("id"))
    }

    private func delivery(_ request: Request, body: [UInt8]) -> Delivery {
        let target = request.head.path ?? ""
        return Delivery(
            method: request.method.rawValue, target: target, url: address + target,
            headers: request.headers.map { Field($0.name.rawName, $0.value) }, body: body, receivedAt: time.now())
    }

    private func receive(_ request: Request, _ context: Context) async throws -> Response {
        let (provider, owner) = place(context)
        guard let limit = gateway.bodyLimit(of: provider, owner: owner), await gateway.isOn(provider, owner: owner)
        else {
            return problem(.webhookRouteOff, Self.routeOff, context)
        }
        return try await take(request, context, provider, owner, nil, limit: limit)
    }

    private func take(
        _ request: Request, _ context: Context, _ provider: String, _ owner: String?, _ callback: SignedCallback?,
        limit: Int
    ) async throws -> Response {
        let began = time.uptime()
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            return problem(.contentEncoding, "Send the body as it is, without a Content-Encoding.", context)
        }
        let share = budget.share()
        defer { share.giveBack() }
        let body: [UInt8]
        switch try await read(request, limit: limit, within: share) {
        case .whole(let bytes): body = bytes
        case .tooLarge: return problem(.webhookTooLarge, "The body may have \(limit) bytes.", context).closing
        case .crowded: return answer(.overloaded, gateway.answers(of: provider, owner: owner), context).closing
        // Whoever is genuine sends it again; it may have been this machine that took so long to read.
        case .slow:
            let sentence = "The body did not come whole within \(Self.bodySeconds) s. Send it again."
            return problem(.notKept, sentence, context, retryAfter: Self.retryAfter).closing
        }
        return try await keep(delivery(request, body: body), request, context, provider, owner, callback, since: began)
    }

    private func keep(
        _ delivery: Delivery, _ request: Request, _ context: Context, _ provider: String, _ owner: String?,
        _ callback: SignedCallback?, since began: Duration
    ) async throws -> Response {
        let reply = await gateway.receive(
            delivery, for: provider, owner: owner, at: callback,
            from: ClientAddress(trustedProxies: trustedProxies).of(request, context))
        metrics.observe(
            "patchbay_delivery_seconds", ["provider": provider], time.uptime() - began,
            help: "From the head of a delivery to its answer.")
        guard let callback else { return answer(reply, gateway.answers(of: provider, owner: owner), context) }
        return answer(reply, WebhookAnswers(kept: receipt(callback, delivery)), context)
    }

    /// Where a person sees how far an erasure is: `{"url": …, "confirmation_code": …}`.
    private func receipt(_ callback: SignedCallback, _ delivery: Delivery) -> WebhookAnswer? {
        guard callback.meaning == .erase, let event = try? callback.scheme.events(delivery).first else { return nil }
        let code = SignedCallback.code(of: event)
        let json: JSON = ["url": .string("\(address)/deletion/\(code)"), "confirmation_code": .string(code)]
        return WebhookAnswer("application/json", json.bytes)
    }

    private func get(_ request: Request, _ context: Context) async throws -> Response {
        let (provider, owner) = place(context)
        guard gateway.takesGET(provider, owner: owner), await gateway.isOn(provider, owner: owner) else {
            return await shake(request, context, provider, owner)
        }
        // What it says stands in its address; a body that came with it is nothing of it, and is not read.
        let delivery = delivery(request, body: [])
        let said = Delivery(
            method: delivery.method, target: delivery.target, url: delivery.url, headers: delivery.headers,
            body: delivery.query, receivedAt: delivery.receivedAt)
        return try await keep(said, request, context, provider, owner, nil, since: time.uptime())
    }

    private func shake(
        _ request: Request, _ context: Context, _ provider: String, _ owner: String?
    ) async -> Response {
        switch await gateway.shake(delivery(request, body: []), for: provider, owner: owner) {
        case .answered(let answer): return Self.good(answer)
        case .refused(.incomplete(let parameter)):
            return problem(.handshakeIncomplete, "\(parameter) must stand once in the address.", context)
        case .refused(.refused): return problem(.handshakeRefused, "The operator's log says why.", context)
        case .none:
            let refused = problem(.methodNotAllowed, "This platform's address takes deliveries only.", context)
            return refused.with(.allow, "POST")
        case .unknown: return problem(.webhookRouteOff, Self.routeOff, context)
        case .unavailable:
            return problem(.notKept, "This cannot be answered now. Ask again.", context, retryAfter: Self.retryAfter)
        }
    }

    /// No browser may take what a stranger named for a page.
    private static func good(_ answer: WebhookAnswer?) -> Response {
        guard let answer else { return Response(status: .ok) }
        return Response(
            status: .ok, headers: [.contentType: answer.type, .xContentTypeOptions: "nosniff"],
            body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
    }

    private enum Body {
        case whole([UInt8])
        /// Read no further.
        case tooLarge
        /// No room for more of it now.
        case crowded
        /// Not whole in time.
        case slow
    }

    /// What was declared is believed where it is too much, and never as a promise of what comes.
    private func read(_ request: Request, limit: Int, within share: BodyBudget.Share) async throws -> Body {
        let declared = request.headers[.contentLength].flatMap { Int($0) }
        if let declared, declared > limit { return .tooLarge }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(declared ?? 4096, limit, 65_536))
        let end = time.uptime() + .seconds(Self.bodySeconds)
        for try await chunk in request.body {
            guard bytes.count + chunk.readableBytes <= limit else { return .tooLarge }
            guard time.uptime() < end else { return .slow }
            guard share.holds(bytes.count + chunk.readableBytes) else { return .crowded }
            bytes += chunk.readableBytesView
        }
        return .whole(bytes)
    }

    private func answer(_ reply: Gateway.Reply, _ answers: WebhookAnswers, _ context: Context) -> Response {
        switch reply {
        case .kept, .unreadable: Self.good(answers.kept)
        case .refused:
            // No detail that helps a forger; the operator finds it with the delivery.
            problem(
                .invalidSignature, "The signature does not prove this delivery. The operator sees why.", context)
        case .limited(let wait):
            problem(
                .tooManyFailures, "The signature does not prove this delivery, and too many did not before it.",
                context, retryAfter: wait)
        case .unknown: problem(.webhookRouteOff, Self.routeOff, context)
        case .overloaded, .unavailable:
            problem(.notKept, "This could not be kept now. Send it again.", context, retryAfter: Self.retryAfter)
                .with(status: answers.again)
        }
    }

    private static var routeOff: String { "There is no such webhook route, or its secret is not set." }

    private func problem(
        _ type: ProblemType, _ detail: String, _ context: Context, retryAfter: Duration? = nil
    ) -> Response {
        Problem(type, detail, retryAfter: retryAfter).response(
            base: base, instance: context.correlation.requestID, at: time.now())
    }
}

extension Response {
    fileprivate func with(status: Int) -> Response {
        var copy = self
        copy.status = .init(code: status)
        return copy
    }
    func with(_ name: HTTPField.Name, _ value: String) -> Response {
        var copy = self
        copy.headers[name] = value
        return copy
    }
    /// The rest of the request's body is not worth reading.
    var closing: Response { with(.connection, "close") }
}
