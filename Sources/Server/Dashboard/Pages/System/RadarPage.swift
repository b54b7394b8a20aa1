import Engine
import Kit
import Store

/// What platforms end, by days: when, how much it is used, and by which connections.
enum RadarPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let name: String
            let platform: String
            let pill: Pill
            let ends: String
            let use: String
            let users: [Link]
            let more: String?
            let instead: String
            let source: String
        }
        let tabs: [Tab]
        let rows: [Row]
    }

    static let page = Page(path: "/system/radar", entry: .system, template: "radar") { request in
        let words = request.words
        let items = try await request.app.radar.items(at: request.now)
        let near = items.count { $0.use.uses > 0 && [.ended, .within30, .within90].contains($0.stage) }
        return PageContent(
            SystemTab.head(.radar, words, lede: near == 0 ? words("radar.quiet") : words.count("radar.lede", near)),
            Model(tabs: SystemTab.tabs(.radar, words), rows: items.map { row($0, request) }),
            commands: [request.curl("/v1/radar"), Command("CLI", "patchbay radar")])
    }

    private static func row(_ item: Radar.Item, _ request: PageRequest) -> Model.Row {
        let (words, ending) = (request.words, item.declared.ending)
        let isUsed = item.use.uses > 0
        let lamp: LampState =
            switch item.stage {
            case .ended: isUsed ? .failed : .paused
            case .within30, .within90: isUsed ? .needs : .waiting
            case .undated: isUsed ? .waiting : .todo
            case .later: .todo
            }
        let users = item.users.compactMap(\.connection).map(Places.link)
        let left = item.use.connections - Int64(users.count)
        return Model.Row(
            id: item.declared.key, name: ending.name,
            platform: "\(item.declared.platform.name), \(words("radar.what.\(ending.kind)"))",
            pill: Pill(lamp, words("radar.stage.\(item.stage.rawValue)")), ends: ends(item, words),
            use: isUsed
                ? words.count("radar.used", Int(clamping: item.use.uses))
                : words("radar.unused"),
            users: users, more: left > 0 ? words("radar.more", ["n": words.number(left)]) : nil,
            instead: ending.instead, source: ending.source)
    }

    private static func ends(_ item: Radar.Item, _ words: Words) -> String {
        guard let day = item.declared.ending.on, let left = item.daysLeft else { return words("radar.no_day") }
        let named = words(item.declared.ending.isAbout ? "radar.about" : "radar.day", ["day": day.description])
        let count = Int(clamping: left.magnitude)
        return words.count(left > 0 ? "radar.left" : "radar.ago", count, ["day": named])
    }
}
