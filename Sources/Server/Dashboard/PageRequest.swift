import Hummingbird
import Kit
import Store

/// A request for a page or from its form, read: who asks, in which words and zone, with what.
struct PageRequest: Sendable {
    let app: App
    let method: String
    /// The path as it is declared, for the log: what came may hold a link that is a secret.
    let route: String
    /// Path and query as they came.
    let target: String
    let parameters: [String: String]
    /// The first value of each name.
    let query: [String: String]
    /// Of a form that was sent.
    let form: [String: String]
    let reader: Reader
    /// Nil on the pages in front of the sign-in.
    let visitor: Visitor?
    /// Where the request came from.
    let address: String
    let browser: String
    /// Whether it came by https.
    let isSecure: Bool
    let correlation: Correlation
    /// The time of everything that it does.
    let now: Timestamp

    var words: Words { reader.words }
    var times: Times { Times(words: words, zone: reader.local, now: now) }
    var path: String { String(target.prefix { $0 != "?" }) }

    func parameter(_ name: String = "id") -> String { parameters[name] ?? "" }

    /// An id of ours in the path.
    /// - Throws: `PageProblem.notFound` for what is none.
    func id<Kind: Identified>(_ kind: Kind.Type, _ name: String = "id") throws -> ID<Kind> {
        guard let id = ID<Kind>(parameter(name)) else { throw PageProblem.notFound }
        return id
    }

    /// Who acts, for forms, which nobody can send who is not signed in.
    var operatorID: String { visitor?.operator.id.text ?? "anybody" }
}

/// How a reader sees pages: from the cookies, else as the browser says.
struct Reader: Sendable {
    let words: Words
    /// `system`, `light`, `dark`.
    let theme: String
    /// The zone's name, for the page to say.
    let zone: String
    let offset: Duration
    /// The same as rules: when its clocks change.
    let local: LocalZone
    /// Whether single keys act.
    let hasKeys: Bool

    static let themes = ["system", "light", "dark"]
    /// No place is further from UTC than this, in minutes.
    private static let minutesEast: ClosedRange<Int64> = (-18 * 60)...(18 * 60)

    init(cookies: [String: String], acceptLanguage: String?) {
        let wanted = cookies["language"] ?? String((acceptLanguage ?? "").prefix(2)).lowercased()
        words = Words.of(Words.Language(rawValue: wanted) ?? .english)
        theme = cookies["theme"].flatMap { Self.themes.contains($0) ? $0 : nil } ?? "system"
        hasKeys = cookies["keys"] != "off"
        // `Europe%2FBerlin.60`: the name and the minutes east of UTC at present.
        let zone = cookies["zone"]?.split(separator: ".").map(String.init) ?? []
        if zone.count == 2, let minutes = Int64(zone[1]), Self.minutesEast.contains(minutes),
            let name = PercentEncoding.decode(zone[0], plusIsBlank: false), name.utf8.count <= 64
        {
            (self.zone, offset) = (name, .minutes(minutes))
        } else {
            (self.zone, offset) = ("UTC", .zero)
        }
        local = LocalZone(name: self.zone, usual: offset)
    }
}

/// Cookies, queries and forms as browsers write them.
enum BrowserText {
    /// More names than any page of ours sends.
    private static let namesMax = 200

    static func cookies(_ header: String?) -> [String: String] {
        var cookies: [String: String] = [:]
        for part in (header ?? "").split(separator: ";").prefix(namesMax) {
            let pair = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, cookies[String(pair[0])] == nil else { continue }
            cookies[String(pair[0])] = String(pair[1])
        }
        return cookies
    }

    /// `a=1&b=2`. Of one name the first counts; what is no UTF-8 is left out.
    static func fields(_ text: some StringProtocol) -> [String: String] {
        var fields: [String: String] = [:]
        for part in text.split(separator: "&").prefix(namesMax) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(pair.first ?? "", plusIsBlank: true),
                let value = PercentEncoding.decode(pair.count > 1 ? pair[1] : "", plusIsBlank: true),
                fields[name] == nil
            else { continue }
            fields[name] = value
        }
        return fields
    }

    /// A path and query of ours to go back to; anything else is the start page.
    static func ownPath(_ text: String?) -> String {
        guard let text, text.hasPrefix("/"), !text.hasPrefix("//"), !text.hasPrefix("/\\"), text.utf8.count <= 2048,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") })
        else { return "/" }
        return text
    }

    /// `?a=1&b=2`, without what is nil; empty for nothing.
    static func query(_ fields: [(name: String, value: String?)]) -> String {
        let parts = fields.compactMap { name, value in
            value.map { "\(PercentEncoding.encode(name))=\(PercentEncoding.encode($0))" }
        }
        return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
    }
}
