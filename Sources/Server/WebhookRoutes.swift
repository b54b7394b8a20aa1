import Engine
import HTTPTypes
import Hummingbird
import Kit
import NIOCore

/// `POST /webhooks/{provider}` and `/webhooks/{provider}/{id}`: raw bytes first, then the gateway, then an answer.
struct WebhookRoutes: Sendable {
    let gateway: Gateway
    /// From a name in an address to the platform's id.
    let aliases: [String: String]
    let trustedProxies: [CIDR]
    let time: TimeSource
    let metrics: Metrics
    /// Before `/docs/errors/`.
    var base = ""

    /// A body that comes slower than this in all is not a webhook.
    private static var bodySeconds: Int64 { 30 }
    /// After an answer that says "later".
    private static var retryAfter: Duration { .seconds(5) }

    var all: [OtherRoute] {
        ["/webhooks/{provider}", "/webhooks/{provider}/{id}"].flatMap { path in
            [OtherRoute("POST", path, respond: receive), OtherRoute("POST", "/api" + path, respond: receive)]
        }
    }

    private func receive(_ request: Request, _ context: Context) async throws -> Response {
        let began = time.uptime()
        let name = context.parameters.get("provider") ?? ""
        let provider = aliases[name] ?? name
        let owner = context.parameters.get("id")
        guard let limit = gateway.bodyLimit(of: provider), await gateway.isOn(provider, owner: owner) else {
            return problem(.webhookRouteOff, Self.routeOff, context)
        }
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            return problem(.contentEncoding, "Send the body as it is, without a Content-Encoding.", context)
        }
        guard let body = try await bytes(of: request, limit: limit) else {
            return problem(.webhookTooLarge, "The body may have \(limit) bytes.", context).closing
        }
        let delivery = Delivery(
            method: request.method.rawValue, target: request.head.path ?? "",
            headers: request.headers.map {
                Field($0.name.rawName, $0.value)
            }, body: body, receivedAt: time.now())
        let reply = await gateway.receive(
            delivery, for: provider, owner: owner,
            from: ClientAddress(trustedProxies: trustedProxies).of(request, context))
        metrics.observe(
            "patchbay_delivery_seconds", ["provider": provider], time.uptime() - began,
            help: "From the head of a delivery to its answer.")
        return answer(reply, context)
    }

    /// Nil when there is more than `limit`; read no further then.
    private func bytes(of request: Request, limit: Int) async throws -> [UInt8]? {
        let declared = request.headers[.contentLength].flatMap { Int($0) }
        if let declared, declared > limit { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(declared ?? 4096, limit))
        let end = time.uptime() + .seconds(Self.bodySeconds)
        for try await chunk in request.body {
            guard bytes.count + chunk.readableBytes <= limit else { return nil }
            guard time.uptime() < end else { throw HTTPError(.requestTimeout, message: "The body came too slowly.") }
            bytes += chunk.readableBytesView
        }
        return bytes
    }

    private func answer(_ reply: Gateway.Reply, _ context: Context) -> Response {
        switch reply {
        case .kept, .unreadable: Response(status: .ok)
        case .refused:
            // No detail that helps a forger; the operator finds it with the delivery.
            problem(
                .invalidSignature, "The signature does not prove this delivery. The operator sees why.", context)
        case .unknown: problem(.webhookRouteOff, Self.routeOff, context)
        case .overloaded, .unavailable:
            problem(.notKept, "This could not be kept now. Send it again.", context, retryAfter: Self.retryAfter)
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
    func with(_ name: HTTPField.Name, _ value: String) -> Response {
        var copy = self
        copy.headers[name] = value
        return copy
    }
    /// The rest of the request's body is not worth reading.
    var closing: Response { with(.connection, "close") }
}
