import Kit
import Store

/// What settings come to. Pure.
enum SettingsRules {
    static func findings(_ settings: Settings) -> [Finding] {
        [address(settings)] + providers(settings) + notices(settings)
    }

    /// Where platforms reach this server, as it is pasted into their dashboards.
    static func base(_ settings: Settings) -> String {
        let host = settings.listen.host.contains(":") ? "[\(settings.listen.host)]" : settings.listen.host
        return settings.publicURL ?? "\(settings.tls == nil ? "http" : "https")://\(host):\(settings.listen.port)"
    }

    private static func address(_ settings: Settings) -> Finding {
        let listens = "Listens at \(settings.listen.host):\(settings.listen.port), mode \(settings.mode.rawValue)"
        guard let url = settings.publicURL else {
            return Finding(
                "address", settings.mode == .live ? .warning : .ok, "\(listens); PATCHBAY_PUBLIC_URL is not set.",
                advice: settings.mode == .live
                    ? "Set it to the https address under which platforms reach this server." : nil)
        }
        return Finding("address", .ok, "\(listens), reached at \(url).")
    }

    // MARK: Providers

    private static func providers(_ settings: Settings) -> [Finding] {
        let found =
            [stripe(settings), standardWebhooks(settings)] + Providers.configured.map { receiver($0, settings) }
        guard found.allSatisfy({ $0.verdict == .off }) else { return found }
        let none = Finding(
            "providers", .warning, "No platform is set up: every webhook address answers 404.",
            advice: "Set a platform's secret; patchbay.env.example names them all.")
        return found + [none]
    }

    private static func stripe(_ settings: Settings) -> Finding {
        let (address, stripe) = ("\(base(settings))/webhooks/stripe", settings.stripe)
        switch (stripe.webhookSecrets.isEmpty, stripe.secretKey == nil) {
        case (true, true):
            return Finding(
                "provider.stripe", .off, "Nothing is set.",
                advice: "Make a webhook to \(address) in Stripe's dashboard, then set STRIPE_WEBHOOK_SECRET.")
        case (true, false):
            return Finding(
                "provider.stripe", .warning,
                "STRIPE_WEBHOOK_SECRET is not set: \(address) is off unless it is ordered by API.",
                advice: "Order it: patchbay apps subscribe stripe. Or make a webhook to that address in Stripe's "
                    + "dashboard, and set the secret that it shows.")
        case (false, true):
            return Finding(
                "provider.stripe", .warning,
                "Webhooks at \(address). STRIPE_SECRET_KEY is not set: what an event leaves open is not asked.",
                advice: "Set a restricted key that may read subscriptions, invoices and customers.")
        case (false, false): return Finding("provider.stripe", .ok, "Webhooks at \(address); the API is asked.")
        }
    }

    private static func standardWebhooks(_ settings: Settings) -> Finding {
        let base = base(settings)
        guard !settings.standardWebhooks.isEmpty else {
            return Finding(
                "provider.standard-webhooks", .off, "Nothing is set.",
                advice: "Set STANDARD_WEBHOOKS_SECRET to the secret of a sender that posts to "
                    + "\(base)/webhooks/standard-webhooks.")
        }
        return Finding(
            "provider.standard-webhooks", .ok,
            "Webhooks at \(base)/webhooks/standard-webhooks and \(base)/webhooks/svix.")
    }

    /// A platform that says itself which settings its webhooks need.
    private static func receiver(_ provider: any OperatorConfigured, _ settings: Settings) -> Finding {
        let (id, name) = (provider.about.id, "provider.\(provider.about.id)")
        let known = (provider as? any SelfExplaining)?.setUp.settings ?? []
        let on = settings.webhookRoutes.filter { key, route in
            route.isOn && (key == id || key.hasPrefix(id + "/"))
        }.keys.sorted()
        let page = "\(base(settings))/docs/providers/\(id)"
        guard on.isEmpty else {
            let left = known.filter { !$0.isNeeded && settings.given[$0.name] == nil }.map(\.name)
            let asked = on.compactMap { key -> String? in
                guard case .asked(let proof)? = settings.webhookRoutes[key]?.scheme.verification else { return nil }
                return " Each is asked about at \(proof.address)."
            }
            return Finding(
                name, .ok,
                "Webhooks at \(on.map { "\(base(settings))/webhooks/\($0)" }.joined(separator: ", "))."
                    + asked.joined() + (left.isEmpty ? "" : " Not set: \(left.joined(separator: ", "))."))
        }
        let missing = known.filter { $0.isNeeded && settings.given[$0.name] == nil }.map(\.name)
        let needed = missing.isEmpty ? known.prefix(1).map(\.name) : missing
        guard known.contains(where: { settings.given[$0.name] != nil }) else {
            return Finding(
                name, .off, "Nothing is set.",
                advice: "Set \(needed.joined(separator: " and ")). How: \(page)")
        }
        return Finding(
            name, .warning, "\(needed.joined(separator: " and ")) not set: \(base(settings))/webhooks/\(id) is off.",
            advice: "How: \(page)")
    }

    /// App credentials that were added through the API, each with its own address.
    static func apps(_ apps: [AppRow], _ settings: Settings) -> [Finding] {
        apps.filter { $0.source == "api" && $0.disabledAt == nil }.map { app in
            let address = "\(base(settings))/webhooks/\(app.provider)/\(app.id)"
            if case .asked? = settings.webhookScheme(of: app.provider)?.verification, app.clientID == nil {
                return Finding(
                    "provider.\(app.provider)", .failed,
                    "\(app.name): the platform is asked about each webhook at \(address), and the app cannot ask: "
                        + "nothing is believed there.",
                    advice: "Give it client_id and secrets.client_secret: PATCH /v1/apps/\(app.id)")
            }
            return Finding("provider.\(app.provider)", .ok, "\(app.name): webhooks at \(address).")
        }
    }

    /// Webhooks ordered at a platform by its API.
    static func subscription(_ row: WebhookSubscriptionRow) -> Finding {
        let (name, address) = ("provider.\(row.provider).subscription", row.url ?? "this server")
        let advice = "Look and mend: patchbay apps subscribe \(row.app)"
        switch row.state {
        case .registered where row.duplicates.isEmpty:
            return Finding(name, .ok, "Ordered by API: \(row.remoteID ?? "it") sends to \(address).")
        case .registered:
            return Finding(
                name, .warning,
                "\(row.duplicates.joined(separator: ", ")) sends to \(address), too: each event comes once more.",
                advice: "Delete at the platform what was made there by hand.")
        case .registering, .removing: return Finding(name, .warning, "It is \(row.state.rawValue).", advice: advice)
        case .differs:
            return Finding(
                name, .warning, "Not as wanted: \(row.differences.joined(separator: ", ")).", advice: advice)
        case .failed: return Finding(name, .failed, row.problem ?? "The platform refuses it.", advice: advice)
        }
    }

    /// What was noticed when the settings were read, but for what stands above.
    private static func notices(_ settings: Settings) -> [Finding] {
        settings.notices.filter { !$0.contains("is not set: /webhooks/") }.map { Finding("settings", .warning, $0) }
    }
}
