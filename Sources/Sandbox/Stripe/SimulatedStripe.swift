import Kit
import Stripe
import Synchronization

/// Stripe as the sandbox simulates it: API version 2026-10-28.endive, test mode, one account.
final class SimulatedStripe: Platform {
    let id = "stripe"
    let webhooks = Stripe().webhooks
    /// Stands in kept objects for the address that they are served at, which changes from start to start.
    let baseMark = "http://stripe.sandbox.invalid"
    private let base = Mutex("")

    var samples: [Sample] { StripeSamples.all }
    let keyNames = ["secret_key", "webhook_secret"]

    /// The one object beside Stripe's own: keys.
    private static let ownKind = "stripe.own"

    func keys(in world: World, _ furniture: Furniture) -> Furniture {
        var furniture = furniture
        let keys = world.object(Self.ownKind, "keys")
        for name in keyNames { furniture.keys[name] = keys?.text(name) }
        return furniture
    }

    func furnish(_ world: World, _ furniture: Furniture) {
        world.stream = "keys"
        defer { world.stream = "calls" }
        if world.object(Self.ownKind, "keys") == nil {
            let key = furniture.keys["secret_key"] ?? "sk_test_" + world.id("", length: 32)
            let secret = furniture.keys["webhook_secret"] ?? "whsec_" + world.id("", length: 32)
            world.put(Self.ownKind, "keys", ["secret_key": .string(key), "webhook_secret": .string(secret)])
        }
        var keys = world.object(Self.ownKind, "keys") ?? .object([])
        for name in keyNames { if let key = furniture.keys[name] { keys.set(name, .string(key)) } }
        if keys != world.object(Self.ownKind, "keys") { world.put(Self.ownKind, "keys", keys) }
        guard let url = furniture.webhookURL else { return }
        let books = Books(world: world, platform: self)
        let first = "we_1SandboxFirst"
        let endpoint = books.find(.webhookEndpoint, first) ?? books.make(.webhookEndpoint, id: first, [])
        books.save(
            endpoint.with([
                .init("url", .string(url)), .init("enabled_events", .array(furniture.webhookTypes.map { .string($0) })),
                .init("description", "Made at the start of the sandbox"),
                .init("_secret", keys["webhook_secret"] ?? .null),
            ]))
    }

    func introduction(in world: World, at bases: [String]) -> JSON {
        let base = bases.first ?? ""
        self.base.withLock { $0 = base }
        return JSON.object([JSONMember("base_url", .string(base))]).with(
            world.object(Self.ownKind, "keys")?.members ?? [])
    }

    // MARK: Requests

    func twin(_ request: SandboxRequest) -> (key: String, answer: SandboxAnswer)? {
        guard request.method == "POST", let key = request.headers["Idempotency-Key"], !key.isEmpty else { return nil }
        var error = StripeError(
            """
            There is currently another in-progress request using this Idempotent Key (that probably means you \
            submitted twice, and the other request is still going through). Please try again later.
            """, code: "idempotency_key_in_use", status: 409)
        error.type = "idempotency_error"
        return (id + " " + key, Self.answer(error, "req_twin"))
    }

    func failure(_ wish: FailureWish, of request: SandboxRequest) -> SandboxAnswer { failure(wish) }

    func failure(_ wish: FailureWish) -> SandboxAnswer {
        let usual: (code: String?, message: String) =
            switch wish.status {
            case 401: ("api_key_expired", "Expired API Key provided: sk_test_********")
            case 403: ("secret_key_required", "The provided key does not have access to this operation.")
            case 429 where wish.code == "lock_timeout":
                (
                    "lock_timeout",
                    "This object cannot be accessed right now because another API request is currently accessing it."
                )
            case 429:
                (
                    "rate_limit",
                    "Request rate limit exceeded. Learn more about rate limits at https://stripe.com/docs/rate-limits."
                )
            default: (nil, "Sorry! There was an error while talking to one of our backends.")
            }
        var error = StripeError(usual.message, code: wish.code ?? usual.code, status: wish.status)
        if wish.status >= 500 { error.type = "api_error" }
        return Self.answer(error, "req_fault")
    }

    func answer(_ request: SandboxRequest, in world: World, failing: FailureWish?) throws(Refused) -> SandboxAnswer {
        let path = request.path.split(separator: "/").map { Form.decoded($0.utf8) }
        guard path.first == "v1" else { return page(request, path, in: world) }
        let requestID = world.requestID("req_")
        do {
            try checkKey(request, in: world)
            var answer = try StripeFrontDoor(stripe: self, world: world, request: request, requestID: requestID)
                .answer(path, failing: failing)
            if let failing { answer = failure(failing) }
            answer.body = placed(answer.body, at: request.base)
            return answer
        } catch {
            let answer = Self.answer(error, requestID)
            // A declined payment has changed its intent, and that stays.
            if error.commits { return answer }
            throw Refused(answer: answer)
        }
    }

    private func checkKey(_ request: SandboxRequest, in world: World) throws(StripeError) {
        let given = request.headers["Authorization"] ?? ""
        var key = ""
        if given.lowercased().hasPrefix("bearer ") {
            key = String(given.dropFirst(7))
        } else if given.lowercased().hasPrefix("basic "),
            let text = Base64.decode(Array(given.dropFirst(6).utf8), padding: .optional)
        {
            key = String(decoding: text.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
        }
        guard key != world.object(Self.ownKind, "keys")?.text("secret_key") else {
            return try checkAccount(request.headers["Stripe-Account"])
        }
        let shown = key.count > 12 ? "\(key.prefix(8))\(String(repeating: "*", count: 8))\(key.suffix(4))" : "****"
        throw .validation(
            key.isEmpty
                ? "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                    + "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
                : "Invalid API Key provided: \(OutsideText.bounded(shown, 40))", nil, nil
        ).with(status: 401)
    }

    /// There is one account; connected ones are not simulated.
    private func checkAccount(_ account: String?) throws(StripeError) {
        guard let account, account != StripeResource.account.text("id") else { return }
        throw .validation(
            "The provided key does not have access to account '\(OutsideText.bounded(account, 60))' (or that account "
                + "does not exist).", "account_invalid", nil
        ).with(status: 403)
    }

    static func answer(_ error: StripeError, _ requestID: String) -> SandboxAnswer {
        SandboxAnswer(
            error.status, ["error": error.json(request: requestID).visible],
            headers: [Field("Request-Id", requestID), Field("Stripe-Version", StripeVersions.newest)])
    }

    /// The address in the mark's place.
    private func placed(_ body: [UInt8], at base: String) -> [UInt8] {
        let text = String(decoding: body, as: UTF8.self)
        return text.contains(baseMark) ? Array(text.replacing(baseMark, with: base).utf8) : body
    }

    // MARK: Time, webhooks

    func due(_ key: String, in world: World) {
        let books = Books(world: world, platform: self)
        let parts = key.split(separator: " ").map(String.init)
        guard parts.count >= 2 else { return }
        let id = parts[1]
        switch parts[0] {
        case "renew": books.renew(id)
        case "finalize": books.finalizeDue(id)
        case "retry": books.retry(id)
        case "expire": books.expire(id)
        case "trial": books.trialEndsSoon(id)
        case "refund": books.refundEnded(id, parts.last ?? "")
        case "session":
            if let session = books.find(.checkoutSession, id), session.text("status") == "open" {
                _ = books.expireSession(session)
            }
        default: break
        }
    }

    func endpoints(for type: String, in world: World) -> [String] {
        world.objects(of: StripeResource.webhookEndpoint.kind).filter { endpoint in
            endpoint.text("status") == "enabled" && isLoopback(endpoint.text("url") ?? "")
                && (endpoint["enabled_events"]?.elements ?? []).contains { type.isLike($0.text ?? "") }
        }.compactMap { $0.text("id") }
    }

    func webhook(_ event: String, to endpoint: String, in world: World, at time: Timestamp) -> OutgoingWebhook? {
        let books = Books(world: world, platform: self)
        guard let event = books.find(.event, event), let endpoint = books.find(.webhookEndpoint, endpoint),
            let url = endpoint.text("url"), let secret = endpoint.text("_secret")
        else { return nil }
        let version = endpoint.text("api_version") ?? StripeVersions.newest
        let body = placed(
            StripeVersions.shaped(books.withPending(event), version, books).with("api_version", .string(version))
                .visible.bytes, at: base.withLock { $0 })
        let old = endpoint.int("_old_until") > time.seconds ? endpoint.text("_old_secret") : nil
        // Made by us, or checked at the start.
        guard let secrets = try? webhooks.secrets(in: ([secret] + (old.map { [$0] } ?? [])).joined(separator: ","))
        else { return nil }
        // Test events carry a `v0` too, which proves nothing; whoever believes it has a bug.
        var headers = webhooks.sign(body, with: secrets, at: time).map { field in
            Field(field.name, field.value + ",v0=" + String(repeating: "0", count: 64))
        }
        headers.append(Field("Content-Type", "application/json; charset=utf-8"))
        headers.append(Field("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"))
        return OutgoingWebhook(url: url, headers: headers, body: body)
    }

    func roll(_ endpoint: String?, oldUntil time: Timestamp, in world: World) -> (endpoint: String, secret: String)? {
        let books = Books(world: world, platform: self)
        let id = endpoint ?? world.ids(of: StripeResource.webhookEndpoint.kind).last
        guard let id, let old = books.find(.webhookEndpoint, id) else { return nil }
        let secret = "whsec_" + world.id("", length: 32)
        books.save(
            old.with([
                .init("_secret", .string(secret)), .init("_old_secret", old["_secret"] ?? .null),
                .init("_old_until", JSON(time.seconds)),
            ]))
        return (id, secret)
    }

    func keep(_ event: JSON, in world: World) -> String {
        Books(world: world, platform: self).save(event)
        return event.text("id") ?? ""
    }

    func act(in world: World) { StripeStory(books: Books(world: world, platform: self)).act() }

    func effectsByKey(in world: World) -> JSON {
        var charges: [String: Int64] = [:]
        for charge in world.objects(of: StripeResource.charge.kind) where charge.text("status") == "succeeded" {
            if let key = charge.text("_key") { charges[key, default: 0] += 1 }
        }
        return .object(
            charges.sorted { $0.key < $1.key }.map { JSONMember($0.key, ["charge.succeeded": JSON($0.value)]) })
    }

    func summary(of world: World) -> JSON {
        func count(_ resource: StripeResource) -> JSON { JSON(world.count(of: resource.kind)) }
        var byStatus: [String: Int] = [:]
        for subscription in world.objects(of: StripeResource.subscription.kind) {
            byStatus[subscription.text("status") ?? "", default: 0] += 1
        }
        return [
            "customers": count(.customer),
            "subscriptions": .object(byStatus.sorted { $0.key < $1.key }.map { JSONMember($0.key, JSON($0.value)) }),
            "invoices": count(.invoice), "events": count(.event), "webhook_endpoints": count(.webhookEndpoint),
        ]
    }
}

extension StripeError {
    func with(status: Int) -> StripeError {
        var error = self
        error.status = status
        return error
    }
}
