import Kit
import Store

/// The processes that serve this instance.
enum NodesPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let host: String
            let more: String
            let pill: Pill
            let holds: String
            let since: TimeModel
            let beat: String
        }
        let tabs: [Tab]
        let rows: [Row]
    }

    /// A node that was not heard of for so long is in doubt; others will end its session.
    private static let silent = Duration.seconds(20)

    static let page = Page(
        path: "/system/nodes", entry: .system, template: "nodes", fragments: ["nodes-rows"], every: .seconds(5)
    ) { request in
        let (words, now) = (request.words, request.now)
        let (nodes, loads) = try await request.app.database.read("nodes_page") { session in
            (try session.nodes(endedAfter: now - .days(1)), try session.nodeLoads())
        }
        let alive = nodes.count { $0.stoppedAt == nil && $0.revokedAt == nil }
        return PageContent(
            SystemTab.head(.nodes, words, lede: words.count("nodes.lede", alive)),
            Model(
                tabs: SystemTab.tabs(.nodes, words),
                rows: nodes.reversed().prefix(200).map { row($0, loads[$0.id.text] ?? NodeLoad(), request) }),
            commands: [request.curl("/v1/nodes")])
    }

    private static func row(_ node: NodeRow, _ load: NodeLoad, _ request: PageRequest) -> Model.Row {
        let words = request.words
        let ended = node.revokedAt ?? node.stoppedAt
        let pill: Pill =
            if let ended {
                Pill(
                    node.revokedAt == nil ? .paused : .failed,
                    words(node.revokedAt == nil ? "nodes.stopped" : "nodes.revoked"), time: request.times.moment(ended))
            } else if request.now - node.beatAt > silent {
                Pill(.unknown, words("nodes.silent"))
            } else {
                Pill(.ok, words("nodes.running"))
            }
        return Model.Row(
            id: node.id.text, host: node.host,
            more: words("nodes.process", ["process": String(node.process), "version": node.program]), pill: pill,
            holds: ended == nil
                ? words("nodes.holds", ["jobs": words.number(load.jobs), "leases": words.number(load.leases)]) : "",
            since: request.times.moment(node.startedAt),
            beat: words("nodes.ago", ["age": request.times.age(node.beatAt)]))
    }
}
