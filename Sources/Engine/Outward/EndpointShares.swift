import Kit
import Store

/// Which endpoints a node takes and which it hands over, so that every node sends to about as many. Pure.
struct EndpointShares {
    let own: ID<NodeKind>
    /// How many endpoints there are, and how many of them this node holds.
    private let total: Int
    private let held: Int
    /// What the node that holds the fewest holds.
    private let fewest: Int
    private let nodes: Int

    /// - Parameter live: the sessions that have not ended.
    init(_ heads: [EndpointHead], own: ID<NodeKind>, live: [ID<NodeKind>]) {
        var counts = Dictionary(Set(live).union([own]).map { ($0, 0) }) { first, _ in first }
        for case let node? in heads.map(\.node) { counts[node]? += 1 }
        self.own = own
        total = heads.count
        nodes = counts.count
        held = counts[own] ?? 0
        fewest = counts.values.min() ?? 0
    }

    /// Nobody needs to hold more.
    var fair: Int { (total + nodes - 1) / nodes }
    /// So many free endpoints may be taken.
    var room: Int { max(0, fair - held) }
    /// So many are to be handed over: what is beyond a fair share, and one where another node holds two fewer.
    var surplus: Int { max(0, held - fair, held - fewest >= 2 ? 1 : 0) }
}
