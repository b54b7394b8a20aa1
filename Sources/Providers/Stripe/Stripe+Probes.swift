public import Kit

/// What Stripe is asked by `doctor --online`. Source: docs.stripe.com/api/accounts/retrieve, …/webhook_endpoints/list.
extension Stripe: Probed {
    public var probes: [OnlineProbe] {
        [
            OnlineProbe(
                "key", .key(Outgoing(.get, "/v1/account", within: .seconds(5), spends: Self.usual)),
                fix: "Set STRIPE_SECRET_KEY to a key that is active: Stripe's dashboard, Developers, API keys.",
                read: Self.key),
            OnlineProbe(
                "webhooks",
                .key(Outgoing(.get, "/v1/webhook_endpoints?limit=100", within: .seconds(5), spends: Self.usual)),
                fix: "Let the key read webhook endpoints, or look at them in Stripe's dashboard.",
                read: webhooks),
        ]
    }

    private static func key(_ answer: Answer, _ failure: Failure?, _ context: OnlineProbe.Context) -> [ProbeNote]? {
        let isTestKey = context.key.map { key in
            key.reveal { $0.starts(with: "sk_test_".utf8) || $0.starts(with: "rk_test_".utf8) }
        }
        let mode =
            context.isLive && isTestKey == true
            ? [
                ProbeNote(
                    .warning, "This is a live instance, and STRIPE_SECRET_KEY is a test key: it sees no live object.",
                    advice: "Set the live key, or run a test instance: PATCHBAY_MODE=test")
            ] : []
        guard failure == nil else {
            // A restricted key is known to Stripe, and may not read the account.
            guard failure?.kind == .forbidden else { return nil }
            return [ProbeNote(.ok, "Stripe accepts STRIPE_SECRET_KEY, a restricted key.")] + mode
        }
        let account = (try? JSON.parse(answer.body))?["id"]?.text.map {
            ", of the account \(OutsideText.bounded($0, 64))"
        }
        return [ProbeNote(.ok, "Stripe accepts STRIPE_SECRET_KEY\(account ?? "").")] + mode
    }

    /// Compares what Stripe would send to with where its webhooks come in here.
    private func webhooks(_ answer: Answer, _ failure: Failure?, _ context: OnlineProbe.Context) -> [ProbeNote]? {
        guard failure == nil, let list = (try? JSON.parse(answer.body))?["data"]?.elements else {
            guard failure?.kind == .forbidden else { return nil }
            return [ProbeNote(.warning, "STRIPE_SECRET_KEY may not list webhook endpoints.", advice: probes[1].fix)]
        }
        let ours = list.filter { $0["url"]?.text.map { Self.isSame($0, context.webhookAddress) } ?? false }
        guard !ours.isEmpty else {
            let others = list.isEmpty ? "It has none." : "It has \(list.count) others."
            return [
                ProbeNote(
                    .failed, "Stripe has no webhook endpoint for \(context.webhookAddress). \(others)",
                    advice: "Make one to that address in Stripe's dashboard, and set its STRIPE_WEBHOOK_SECRET.")
            ]
        }
        let active = ours.filter { $0["status"]?.text == "enabled" }
        guard !active.isEmpty else {
            return [
                ProbeNote(
                    .failed, "Stripe has disabled the webhook endpoint for \(context.webhookAddress).",
                    advice: "Enable it in Stripe's dashboard, then: patchbay reconcile stripe")
            ]
        }
        let missing = setUp.events.filter { type in
            !active.contains { endpoint in
                let types = (endpoint["enabled_events"]?.elements ?? []).compactMap(\.text)
                return types.contains("*") || types.contains(type)
            }
        }
        guard missing.isEmpty else {
            return [
                ProbeNote(
                    .warning,
                    "Stripe sends to \(context.webhookAddress), but not: \(missing.joined(separator: ", ")).",
                    advice: "Add these types to the endpoint in Stripe's dashboard.")
            ]
        }
        return [ProbeNote(.ok, "Stripe sends to \(context.webhookAddress) all types that are acted upon.")]
    }

    private static func isSame(_ url: String, _ ours: String) -> Bool {
        url == ours || url == ours + "/" || url.hasPrefix(ours + "?")
    }
}
