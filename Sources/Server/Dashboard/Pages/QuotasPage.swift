import Engine
import Kit
import Store

/// What platforms allow, how much of it is used, what waits, and which hosts fail.
enum QuotasPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let name: String
            let subject: String
            let bar: ProgressModel
            /// When the next is free, or all are.
            let free: String
            let until: TimeModel?
        }
        struct Group: Sendable {
            let jack: Jack
            let name: String
            let rows: [Row]
        }
        struct Circuit: Sendable {
            let host: String
            let reason: String
            let since: TimeModel
            let probe: TimeModel
        }
        let groups: [Group]
        let circuits: [Circuit]
        let empty: Empty?
        var hasCircuits: Bool { !circuits.isEmpty }
    }

    /// Of one platform; those nearest to their limits.
    private static let rowsMax = 100

    static let page = Page(
        path: NavEntry.quotas.path, entry: .quotas, template: "quotas", fragments: ["quotas-rows"], every: .seconds(5)
    ) { request in
        let words = request.words
        let standing = try await request.app.hooks.quotas?.standing() ?? []
        let circuits = try await request.app.database.read("circuits_page") { try $0.circuits() }
        let waiting = standing.reduce(0) { $0 + $1.waiting.values.reduce(0, +) }
        var head = Head(words("nav.quotas"))
        head.lede =
            words("quotas.lede") + " "
            + (waiting == 0 ? words("quotas.none_wait") : words.count("quotas.wait", waiting))
        let groups = Dictionary(grouping: standing, by: \.quota.providerName).sorted { $0.key < $1.key }
        return PageContent(
            head,
            Model(
                groups: groups.map { group($0.key, $0.value, request) },
                circuits: circuits.map { circuit($0, request) },
                empty: standing.isEmpty ? Empty(words("quotas.empty")) : nil),
            commands: [request.curl("/v1/quotas"), Command("CLI", "patchbay quotas watch")])
    }

    private static func group(_ name: String, _ standing: [QuotaStanding], _ request: PageRequest) -> Model.Group {
        let levels = standing.flatMap { standing in standing.levels.map { (standing, $0) } }
        let tightest = levels.sorted { $0.1.share100 > $1.1.share100 }.prefix(rowsMax)
        return Model.Group(jack: Jack(name, size: "m"), name: name, rows: tightest.map { row($0.0, $0.1, request) })
    }

    private static func row(_ standing: QuotaStanding, _ level: QuotaLevel, _ request: PageRequest) -> Model.Row {
        let words = request.words
        let waiting = standing.waiting.values.reduce(0, +)
        let isFull = level.used >= level.share || level.blockedUntil != nil
        let state: LampState = isFull ? .waiting : level.share100 >= 80 ? .needs : .ok
        var sentence = words(
            "quotas.level",
            [
                "used": words.number(level.used), "limit": words.number(level.limit),
                "unit": standing.quota.quota.unit, "window": words.age(level.window.length),
            ])
        if waiting > 0 { sentence += " · " + words.count("quotas.waiting", waiting) }
        if level.blockedUntil != nil { sentence += " · " + words("quotas.refused") }
        let next = level.blockedUntil ?? level.nextFree
        return Model.Row(
            name: standing.quota.quota.name, subject: standing.subject,
            bar: ProgressModel(state: state.rawValue, share: level.share100, sentence: sentence),
            free: next == nil ? words("quotas.free") : words("quotas.next"), until: next.map { request.times.clock($0) }
        )
    }

    private static func circuit(_ row: CircuitRow, _ request: PageRequest) -> Model.Circuit {
        Model.Circuit(
            host: row.host, reason: row.reason, since: request.times.moment(row.openedAt),
            probe: request.times.clock(row.probeAt))
    }
}

extension QuotaLevel {
    /// Of the limit, in parts of a hundred; more than there is shows as all.
    fileprivate var share100: Int { min(100, max(0, used * 100 / max(1, limit))) }
}
