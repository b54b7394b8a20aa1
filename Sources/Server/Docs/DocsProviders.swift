import Engine
import Kit

/// Set-up pages of platforms, with the exact strings of this server.
enum DocsProviders {
    /// A platform that says how it is set up.
    struct Guide {
        let id: String
        let name: String
        let setUp: SetUp
        var path: String { "/docs/providers/\(id)" }
    }

    static let guides: [Guide] = Providers.all.compactMap { provider in
        (provider as? any SelfExplaining).map {
            Guide(id: provider.about.id, name: provider.about.name, setUp: $0.setUp)
        }
    }

    static func page(_ guide: Guide, _ settings: Settings) -> Markup {
        let base = SettingsRules.base(settings)
        let setUp = guide.setUp.naming(
            address: "\(base)/webhooks/\(guide.id)",
            redirect: ConnectSessions.redirect(guide.id, base: settings.browserAddress), server: base)
        let steps = setUp.steps.enumerated().map { index, step in
            Markup("<h2>\(index + 1). \(step.title)</h2><p>\(Markup.prose(step.text))</p>\(step.commands.map(command))")
        }
        return DocsFrame(
            path: guide.path, title: "Set up \(guide.name)",
            body: """
                <p>Webhook address of this server:</p><pre tabindex="0">\(base)/webhooks/\(guide.id)</pre>\
                \(reach(settings))\(steps)\
                \(events(setUp))\(findable(guide))\(permissions(guide))\
                <h2>Settings</h2><dl>\(setUp.settings.map(setting))</dl>\
                <p>Of \(guide.name) itself: \
                <a href="\(setUp.documentation)" rel="noreferrer">\(setUp.documentation)</a></p>
                """
        ).page
    }

    /// By what a person finds its events.
    private static func findable(_ guide: Guide) -> Markup {
        let source = Providers.webhookSources.first { $0.about.id == guide.id }
        guard let names = source?.webhooks.findable.all.map(\.name), !names.isEmpty else { return "" }
        return """
            <h2>Finding its events</h2><p>By the whole of a value: \(names.joined(separator: ", ")). In the dashboard \
            type it into the search, or <code>find:</code> and it into the filter of the events; in the terminal \
            <code>patchbay events list --find</code>.</p>
            """
    }

    /// What may be asked for, where accounts are connected.
    private static func permissions(_ guide: Guide) -> Markup {
        let provider = Providers.all.first { $0.about.id == guide.id } as? any Connectable
        guard let permissions = provider?.oauth.permissions, !permissions.isEmpty else { return "" }
        let rows = permissions.map { permission in
            Markup("<dt><code>\(permission.name)</code></dt><dd>\(permission.what)</dd>")
        }
        return """
            <h2>Permissions</h2><p>Ask for those that you need: people and reviewers see each.</p><dl>\(rows)</dl>
            """
    }

    private static func command(_ text: String) -> Markup { "<pre tabindex=\"0\">\(text)</pre>" }

    private static func setting(_ setting: SetUp.Setting) -> Markup {
        "<dt><code>\(setting.name)</code></dt><dd>\(Markup.prose(setting.what))</dd>"
    }

    private static func events(_ setUp: SetUp) -> Markup {
        guard !setUp.events.isEmpty else { return "" }
        return """
            <h2>Events to select</h2><p>These are acted upon. Others may be selected too: they are kept and passed on \
            as <code>event.received</code>.</p><pre tabindex="0">\(setUp.events.joined(separator: "\n"))</pre>
            """
    }

    /// A platform cannot send to a laptop.
    private static func reach(_ settings: Settings) -> Markup {
        guard settings.publicURL == nil else { return "" }
        return """
            <p class="note">PATCHBAY_PUBLIC_URL is not set, so this is the address on the machine itself, which no \
            platform reaches. Set it to the https address under which this server is reached. On a laptop, \
            <code>patchbay listen --forward-to http://localhost:3000/webhooks</code> passes on what a server that is \
            reached receives.</p>
            """
    }
}
