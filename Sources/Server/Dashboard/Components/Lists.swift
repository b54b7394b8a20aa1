import Kit
import Store

/// Which part of a list a page shows: by the id at its edge, so that pages do not shift while rows come.
///
/// `?before=job_…` is what is older than that one, `?after=job_…` what is newer.
struct ListPlace: Sendable {
    private let before: String?
    private let after: String?
    let limit: Int

    static let usualLimit = 50

    init(_ request: PageRequest, limit: Int = ListPlace.usualLimit) {
        func edge(_ name: String) -> String? {
            request.query[name].flatMap { $0.isEmpty || $0.utf8.count > 256 ? nil : $0 }
        }
        before = edge("before")
        after = before == nil ? edge("after") : nil
        self.limit = limit
    }

    var page: ListPage { ListPage(limit: limit, ascending: after != nil, after: after ?? before) }

    /// The rows to show, newest first, of what `page` found, which holds one more where there is more.
    func shown<Row>(_ found: [Row]) -> [Row] {
        let rows = found.prefix(limit)
        return after == nil ? Array(rows) : rows.reversed()
    }

    /// The links at the list's end.
    ///
    /// - Parameter filter: the list's address without its place.
    func ends<Row>(
        _ found: [Row], stoppedAt: String? = nil, filter: [(name: String, value: String?)], _ request: PageRequest,
        path: String? = nil, id: (Row) -> String
    ) -> Ends {
        let rows = shown(found)
        let hasMore = found.count > limit
        func address(_ name: String, _ edge: String?) -> String? {
            edge.map { (path ?? request.path) + BrowserText.query(filter + [(name, $0)]) }
        }
        let isFirst = before == nil && after == nil
        let newer = after == nil ? (isFirst ? nil : rows.first.map(id) ?? before) : hasMore ? rows.first.map(id) : nil
        let older = after == nil ? (hasMore ? rows.last.map(id) : stoppedAt) : rows.last.map(id) ?? after
        return Ends(
            shown: request.words.count("list.shown", rows.count), newer: address("after", newer),
            older: address("before", older))
    }
}

/// What a list's filter field says: `state:dead kind:event.apply`. Each name may stand in the address by itself, too.
struct FilterText: Sendable {
    private(set) var values: [String: String] = [:]
    /// What in it cannot be used, in a sentence.
    private(set) var problem: String?
    private let names: [String]
    private let path: String

    private static let textMax = 512

    /// - Parameters:
    ///   - names: what can be asked for.
    ///   - bare: the name that a word without one stands for.
    init(_ request: PageRequest, names: [String], bare: String? = nil) {
        self.names = names
        path = request.path
        for name in names {
            if let value = request.query[name], !value.isEmpty { values[name] = OutsideText.bounded(value) }
        }
        for word in (request.query["q"] ?? "").prefix(Self.textMax).split(whereSeparator: \.isWhitespace) {
            let parts = word.split(separator: ":", maxSplits: 1).map(String.init)
            if parts.count == 2, names.contains(parts[0]) {
                values[parts[0]] = OutsideText.bounded(parts[1])
            } else if let bare {
                values[bare] = OutsideText.bounded(String(word))
            } else {
                problem = request.words(
                    "lists.filter_unknown", ["word": String(word), "names": names.joined(separator: ", ")])
            }
        }
    }

    subscript(_ name: String) -> String? { values[name] }
    var isEmpty: Bool { values.isEmpty }

    /// Drops a value that is none of those that are known, and says so.
    mutating func hold(_ name: String, to known: [String], _ words: Words) {
        guard let value = values[name], !known.contains(value) else { return }
        values[name] = nil
        problem = words(
            "lists.value_unknown", ["name": name, "value": value, "known": known.joined(separator: ", ")])
    }

    var text: String { names.compactMap { name in values[name].map { "\(name):\($0)" } }.joined(separator: " ") }
    var query: [(name: String, value: String?)] { [("q", text.isEmpty ? nil : text)] }

    /// The list with one thing asked for otherwise.
    func address(_ name: String, _ value: String?) -> String {
        var copy = self
        copy.values[name] = value
        return path + BrowserText.query(copy.query)
    }

    func model(_ example: String, _ chips: [Chip]) -> FilterModel {
        FilterModel(action: path, text: text, example: example, chips: chips, problem: problem)
    }
}

extension PageRequest {
    /// Whether who looks may act: others see no buttons, and a form of theirs is refused.
    var mayAct: Bool { visitor?.isAdmin == true }

    /// The command that asks the API for what a page shows.
    func curl(_ path: String) -> Command {
        let address = ShellText.quoted(app.settings.browserAddress + path)
        return Command("curl", "curl -H \"Authorization: Bearer $PATCHBAY_API_KEY\" \(address)")
    }

    /// Every value of a name in the query; forms with several boxes of one name send it so.
    func queryValues(_ name: String, atMost limit: Int) -> [String] {
        let text = target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        return Array(
            text.split(separator: "&").lazy.filter { $0.hasPrefix(name + "=") }
                .compactMap { PercentEncoding.decode($0.dropFirst(name.utf8.count + 1), plusIsBlank: true) }
                .prefix(limit))
    }
}

/// Where things are shown.
enum Places {
    /// The page of an id of ours; nil for what is none.
    static func page(of id: String) -> String? {
        let kind = id.prefix { $0 != "_" }
        guard id.utf8.count == kind.utf8.count + 27, id.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x7A }) else {
            return nil
        }
        switch kind {
        case "evt": return "/events/\(id)"
        case "dlv": return "/deliveries/\(id)"
        case "job": return "/jobs/\(id)"
        case "run": return "/runs/\(id)"
        case "ep": return "/endpoints/\(id)"
        case "conn": return "/connections/\(id)"
        case "call": return "/calls/\(id)"
        case "pub": return "/publish/\(id)"
        case "att": return "/attempts/\(id)"
        case "recon": return "/reconciliations/\(id)"
        case "rev": return "/review/\(id)"
        case "alr": return "/system/alerts#\(id)"
        case "chg", "sync": return "/trace/\(id)"
        case "key": return "/system/keys#\(id)"
        case "app": return "/system/apps#\(id)"
        case "op": return "/system/operators#\(id)"
        case "node": return "/system/nodes#\(id)"
        case "era": return "/erasures/\(id)"
        case "aud": return "/system/audit?q=\(id)"
        default: return nil
        }
    }

    static func user(_ id: String) -> String { "/users/\(PercentEncoding.encode(id))" }

    /// A link to what a subject names, where it names something with a page.
    static func link(_ subject: String) -> Link {
        if let path = page(of: subject) { return Link(ShortID(subject).short, path) }
        return Link(subject, "/search" + BrowserText.query([("q", subject)]))
    }
}

/// A name and what is so, in a list of facts.
struct Fact: Sendable {
    let name: String
    let text: String
    var href: String?
    var isCode = false
    var time: TimeModel?
    /// What its button copies.
    var copied: String?

    init(_ name: String, _ text: String, href: String? = nil, isCode: Bool = false, copied: String? = nil) {
        self.name = name
        self.text = text
        self.href = href
        self.isCode = isCode
        self.copied = copied
    }
    init(_ name: String, _ time: TimeModel) {
        self.name = name
        text = ""
        self.time = time
    }
}

/// One thing under several headings, each an address.
struct Tab: Sendable {
    let label: String
    let href: String
    let isHere: Bool
}
