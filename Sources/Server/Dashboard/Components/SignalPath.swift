import Kit
import Store

/// Where signals come from and where they go: platforms at the left, endpoints at the right, cables between.
struct SignalPath: Sendable {
    struct Plug: Sendable {
        let name: String
        let what: String
        let letters: String
        let href: String
        /// `ok`, `needs`, `failed`, or empty for nothing yet.
        let state: String
        let cable: String
        let y: String
        let nameY: String
        let whatY: String
        /// The cable's way.
        let d: String
        let isBroken: Bool
    }
    let left: [Plug]
    let right: [Plug]
    let height: String
    let boxHeight: String
    let middle: String
    let kept: String
    let keptY: String
    let keptLabelY: String
    let refused: String
    let refusedY: String
    let refusedLabelY: String
    let sentence: String

    private static let step = 44

    init(_ found: NowPage.Found, _ request: PageRequest) {
        let (words, secrets) = (request.words, request.app.settings.webhookSecrets)
        let sources = Providers.webhookSources.filter { secrets[$0.about.id]?.isEmpty == false }
        let rows = max(3, sources.count, found.endpoints.count)
        let high = rows * Self.step + 24
        height = String(high)
        boxHeight = String(high - 24)
        middle = String(high / 2)
        func y(_ index: Int, of count: Int) -> Int { high / 2 + (2 * index - count + 1) * Self.step / 2 }
        left = sources.enumerated().map { index, source in
            let refused = found.history.refusedLately[source.about.id] ?? 0
            return Self.plug(
                name: source.about.name,
                what: refused > 0 ? words.count("path.refused", refused) : words("path.on"),
                href: "/events?q=provider%3A\(source.about.id)", state: refused > 0 ? .needs : .ok,
                y: y(index, of: sources.count), box: y(index, of: sources.count), isLeft: true)
        }
        right = found.endpoints.enumerated().map { index, endpoint in
            let behind = max(0, found.head - endpoint.position)
            let (state, what): (LampState, String) =
                switch endpoint.state {
                case .active: (.ok, behind > 0 ? words.count("path.behind", Int(behind)) : words("path.told"))
                case .failing: (.failed, words("path.failing"))
                case .disabled: (.paused, words("path.disabled"))
                }
            let place = y(index, of: found.endpoints.count)
            return Self.plug(
                name: Hosts.of(endpoint.url), what: what, href: "/endpoints/\(endpoint.id)", state: state, y: place,
                box: place, isLeft: false)
        }
        // The last sixty seconds, whole: what has just come is counted, too.
        kept = words.number(max(0, (found.history.came.last ?? 0) - (found.history.refused.last ?? 0)))
        refused = words.number(found.history.refused.suffix(60).reduce(0, +))
        (keptY, keptLabelY) = (String(high / 2 - 22), String(high / 2 - 4))
        (refusedY, refusedLabelY) = (String(high / 2 + 34), String(high / 2 + 52))
        sentence = words(
            "path.sentence",
            [
                "platforms": words.number(sources.count), "endpoints": words.number(found.endpoints.count),
                "kept": kept,
            ])
    }

    private static func plug(
        name: String, what: String, href: String, state: LampState, y: Int, box: Int, isLeft: Bool
    ) -> Plug {
        let (from, to) = isLeft ? (214, 420) : (580, 786)
        let third = (to - from) / 3
        return Plug(
            name: name, what: what, letters: Jack.letters(of: name), href: href, state: state.rawValue,
            cable: state == .failed || state == .paused ? state.rawValue : "ok", y: String(y), nameY: String(y - 4),
            whatY: String(y + 12),
            d: "M\(from) \(y)C\(from + third) \(y) \(to - third) \(box) \(to) \(box)", isBroken: state == .failed)
    }
}
