import Kit
import Store

/// What stands around every page: navigation, mode, who is signed in.
struct FrameModel: Sendable {
    struct Group: Sendable {
        let name: String?
        let entries: [Entry]
    }
    struct Entry: Sendable {
        let href: String
        let label: String
        let icon: String
        let isHere: Bool
        let isOff: Bool
        /// Work for a person; amber.
        let needs: String?
        /// Work that goes on by itself; plain.
        let open: String?
    }
    struct ModeModel: Sendable {
        let id: String
        let word: String
        let isMarked: Bool
    }
    struct Choice: Sendable {
        let id: String
        let label: String
        let isChosen: Bool
    }
    struct OperatorModel: Sendable {
        let name: String
        let role: String
        let initials: String
    }

    let language: String
    let theme: String
    let keys: String
    let documentTitle: String
    let assets: Assets.Names
    let mode: ModeModel
    let isLive: Bool
    let lamps: [Lamp]
    let `operator`: OperatorModel?
    let csrf: String
    /// A new `Idempotency-Key` for each form that acts.
    let once: String
    /// Where the page is, to come back to.
    let here: String
    /// The address under which it is drawn anew.
    let live: String
    let zone: String
    let themes: [Choice]
    let languages: [Choice]
    /// In the feed, when it was drawn.
    let position: Int64
    let note: Pill?
    let groups: [Group]
    let footEntries: [Entry]
    let head: Head
    let page: any Sendable
    let body: String
    let commands: [Command]
    let hasCommands: Bool
    let isWide: Bool
    var fragment = ""
    var isOfFrame = false
}

extension FrameModel {
    /// What needs a person, and where the feed was: read with every page.
    struct Surroundings: Sendable {
        var attention = Attention()
        var position: Int64 = 0
    }

    init(_ page: Page, _ content: PageContent, _ request: PageRequest, _ around: Surroundings) {
        let (words, app) = (request.words, request.app)
        language = words.language.rawValue
        theme = request.reader.theme
        keys = request.reader.hasKeys ? "on" : "off"
        assets = Assets.shared.names
        mode = Self.mode(app.settings, words)
        isLive = page.isLive(request)
        lamps = [.ok, .running, .waiting, .paused].map { Lamp($0) }
        `operator` = request.visitor.map { visitor in
            OperatorModel(
                name: visitor.operator.name, role: words("role.\(visitor.operator.role.rawValue)"),
                initials: Self.initials(visitor.operator.name))
        }
        csrf = request.visitor?.formToken ?? ""
        once = String(decoding: Hex.encode(app.ids.bytes(12)), as: UTF8.self)
        here = BrowserText.ownPath(request.method == "GET" ? request.target : "/")
        live = content.liveTarget ?? here
        zone = request.reader.zone
        themes = Reader.themes.map {
            Choice(id: $0, label: words("theme.\($0)"), isChosen: $0 == request.reader.theme)
        }
        languages = [("en", "English"), ("ko", "한국어")].map { id, label in
            Choice(id: id, label: label, isChosen: id == words.language.rawValue)
        }
        position = around.position
        note = request.query["note"].flatMap { words.text("note.\($0)") }.map { Pill(.ok, $0) }
        groups = Self.groups(page.entry, words, around.attention, hasSandbox: app.hooks.sandbox != nil)
        footEntries = [.now, .connections, .events, .publish].map {
            Self.entry($0, page.entry, words, around.attention)
        }
        head = content.head
        self.page = content.model
        body = page.template
        commands = content.commands
        hasCommands = !content.commands.isEmpty
        isWide = false
        let needed = around.attention.total
        let name = [content.head.title, app.settings.isDemo ? words("mode.demo") : nil, Self.testWord(app, words)]
            .compactMap { $0 }.joined(separator: " · ")
        documentTitle = (needed > 0 ? "(\(words.number(needed))) " : "") + name + " · Patchbay"
    }

    private static func testWord(_ app: App, _ words: Words) -> String? {
        app.settings.mode == .test && !app.settings.isDemo ? words("mode.test") : nil
    }

    private static func mode(_ settings: Settings, _ words: Words) -> ModeModel {
        let id = settings.isDemo ? "demo" : settings.mode.rawValue
        return ModeModel(id: id, word: words("mode.\(id)"), isMarked: id != "live")
    }

    /// `ops@rye.example` is OP, `Mina Park` MP.
    static func initials(_ name: String) -> String {
        let person = name.split(separator: "@").first ?? ""
        let parts = person.split { $0 == " " || $0 == "." || $0 == "-" }
        if parts.count > 1 { return String(parts.prefix(2).compactMap(\.first)).uppercased() }
        return (person.isEmpty ? name[...] : person).prefix(2).uppercased()
    }

    // MARK: Navigation

    private static func groups(
        _ here: NavEntry?, _ words: Words, _ attention: Attention, hasSandbox: Bool
    ) -> [Group] {
        let groups: [(name: String?, entries: [NavEntry])] = [
            (nil, [.now]), ("accounts", [.connections, .sync]), ("traffic", [.events, .jobs, .endpoints, .quotas]),
            ("work", [.publish, .orders, .payments, .messages, .review, .users]),
            ("house", [.system, .api] + (hasSandbox ? [.sandbox] : [])),
        ]
        return groups.map { name, entries in
            Group(
                name: name.map { words("nav.\($0)") }, entries: entries.map { entry($0, here, words, attention) })
        }
    }

    private static func entry(_ entry: NavEntry, _ here: NavEntry?, _ words: Words, _ attention: Attention) -> Entry {
        let needs: Int =
            switch entry {
            case .now: attention.total
            case .review: attention.reviews
            case .endpoints: attention.failingEndpoints
            case .connections: attention.connections
            default: 0
            }
        let number = words.number(needs, upTo: Attention.countMax)
        return Entry(
            href: entry.path, label: words("nav.\(entry.rawValue)"), icon: entry.rawValue, isHere: entry == here,
            isOff: !entry.isBuilt, needs: needs > 0 ? number : nil, open: nil)
    }
}
