public import Kit

/// Webhook endpoints: `/v1/webhook_endpoints`. The secret stands in the answer to the POST that makes one, and nowhere
/// else; the API version is chosen then, and cannot be changed.
/// Source: docs.stripe.com/api/webhook_endpoints (2026-09).
extension Stripe: SubscriptionSource {
    public var subscribedEvents: [String] { Self.selected }
    public var subscribedVersion: String? { about.version }
    public var changeableAspects: Set<SubscriptionAspect> { [.disabled, .url, .events] }
    private static let mark = "patchbay_app"

    public func subscriptions(after cursor: String?) -> Call<SubscriptionPage> {
        let first: Path = "/v1/webhook_endpoints?limit=100"
        let path: Path = cursor.map { "\(first)&starting_after=\($0)" } ?? first
        return Call(Outgoing(.get, path, headers: versioned, spends: Self.usual)) { answer throws(Unreadable) in
            let (endpoints, next) = try Self.list(answer)
            var page: [RemoteSubscription] = []
            for endpoint in endpoints { page.append(try Self.subscription(endpoint)) }
            return SubscriptionPage(page, next: next)
        }
    }

    public func subscribe(_ wanted: WantedSubscription) -> Call<RemoteSubscription> {
        let fields = wanted.version.map { [Field("api_version", $0)] } ?? []
        return write(.post, "/v1/webhook_endpoints", fields + Self.fields(wanted), repeating: .never)
    }

    public func change(_ id: String, to wanted: WantedSubscription) -> Call<RemoteSubscription> {
        let fields = [Field("disabled", "false")] + Self.fields(wanted)
        return write(.post, "/v1/webhook_endpoints/\(id)", fields, repeating: .always)
    }

    public func unsubscribe(_ id: String) -> Call<Bool> {
        let path: Path = "/v1/webhook_endpoints/\(id)"
        return Call(Outgoing(.delete, path, headers: versioned, spends: Self.usual, repeating: .always)) {
            answer throws(Unreadable) in try Self.parsed(answer.body)["deleted"]?.boolean == true
        }
    }

    private var versioned: [Field] { [Field("Stripe-Version", about.version)] }

    private func write(
        _ method: Outgoing.Method, _ path: Path, _ fields: [Field], repeating: Repetition
    ) -> Call<RemoteSubscription> {
        let headers = versioned + [Field("Content-Type", "application/x-www-form-urlencoded")]
        let outgoing = Outgoing(
            method, path, headers: headers, body: FormFields.encoded(fields), spends: Self.usual, repeating: repeating)
        return Call(outgoing) { answer throws(Unreadable) in try Self.subscription(try Self.parsed(answer.body)) }
    }

    private static func fields(_ wanted: WantedSubscription) -> [Field] {
        [
            Field("url", wanted.url), Field("description", "Made and looked after by Patchbay."),
            Field("metadata[\(mark)]", wanted.mark),
        ] + wanted.events.map { Field("enabled_events[]", $0) }
    }

    private static func subscription(_ endpoint: JSON) throws(Unreadable) -> RemoteSubscription {
        guard let id = endpoint["id"]?.text, let url = endpoint["url"]?.text,
            let events = endpoint["enabled_events"]?.elements
        else {
            throw Unreadable("It is no webhook endpoint.")
        }
        return RemoteSubscription(
            id: id, url: url, events: events.compactMap(\.text), version: endpoint["api_version"]?.text,
            isEnabled: endpoint["status"]?.text == "enabled", mark: endpoint["metadata", mark]?.text,
            secret: endpoint["secret"]?.text.map { Secret($0) })
    }
}
