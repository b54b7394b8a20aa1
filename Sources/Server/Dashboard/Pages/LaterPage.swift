import Kit

/// The pages of what this version does not do yet: each says so, and what there is instead.
enum LaterPage {
    struct Model: Sendable {
        let sentence: String
        let today: String
        let link: Link?
    }

    static let entries: [NavEntry] = [.orders, .payments, .messages]

    static let all = entries.map(page)

    private static func page(_ entry: NavEntry) -> Page {
        Page(path: entry.path, entry: entry, template: "later") { request in
            let words = request.words
            var head = Head(words("nav.\(entry.rawValue)"))
            head.lede = words("later.lede")
            let names = Providers.webhookSources.map(\.about.name).joined(separator: ", ")
            return PageContent(
                head,
                Model(
                    sentence: words("later.\(entry.rawValue)", ["providers": names]), today: words("later.today"),
                    link: Link(words("later.link"), NavEntry.events.path)))
        }
    }
}
