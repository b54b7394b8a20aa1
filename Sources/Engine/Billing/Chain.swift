import Kit
import Store

/// The order of statements that one moment of the platform's clock holds.
///
/// Each change says what was there before it, so it is a step from one state to another, and what happened is a walk
/// over all of them. Where the walk ends needs no order: it is the state that is entered once more often than it is
/// left, if the steps hang together and nothing else is out of balance. Pairs of neighbours cannot tell that
/// (active, past_due, active: each may follow the other).
enum Chain {
    enum Certainty: Comparable {
        /// Steps are missing, or some change was made without a word.
        case guess
        /// All adds up, but a state comes twice: were a step missing, it could add up all the same.
        case likely
        case certain
    }
    struct Last {
        let witness: Witness
        let certainty: Certainty
    }

    /// - Parameter witnesses: one or more, of one moment.
    static func last(of witnesses: [Witness]) -> Last {
        let finals = witnesses.filter(\.statement.object.isFinal)
        let candidates = finals.isEmpty ? witnesses : finals
        let states = candidates.map(\.statement.object.state)
        if states.allSatisfy({ $0 == states[0] }) { return Last(witness: best(of: candidates), certainty: .certain) }
        if candidates.contains(where: \.statement.isChange) { return Walk(candidates).last }
        // Nothing says what changed. At least nothing came before the beginning.
        let later = candidates.filter { $0.statement.kind != .created }
        let agree = later.allSatisfy { $0.statement.object.state == later[0].statement.object.state }
        return Last(
            witness: best(of: later.isEmpty ? candidates : later),
            certainty: agree && !later.isEmpty ? .certain : .guess)
    }

    /// The best guess, the same whatever the order: nobody is locked out on a doubt.
    fileprivate static func best(of witnesses: [Witness]) -> Witness {
        witnesses.dropFirst().reduce(witnesses[0]) { isBetter($1, than: $0) ? $1 : $0 }
    }

    private static func isBetter(_ left: Witness, than right: Witness) -> Bool {
        let (a, b) = (left.statement.object.state, right.statement.object.state)
        let (rankA, rankB) = (SubscriptionRules.standing(of: a.status), SubscriptionRules.standing(of: b.status))
        if rankA != rankB { return rankA < rankB }
        let (endA, endB) = (a.currentPeriodEnd ?? .zero, b.currentPeriodEnd ?? .zero)
        return endA != endB ? endA > endB : left.event > right.event
    }
}

extension SubscriptionStatement {
    fileprivate var isChange: Bool { if case .changed = kind { true } else { false } }
}

/// Statements as steps between states. States are compared by what any of the steps changed, and by nothing else.
private struct Walk {
    private let witnesses: [Witness]
    private let paths: [[String]]
    private var nodes: [[JSON]] = []
    /// How much more often a node is entered than left.
    private var surplus: [Int] = []
    /// Nodes that hang together have one root.
    private var parents: [Int] = []
    /// The node that each witness shows.
    private var shown: [Int] = []

    init(_ witnesses: [Witness]) {
        self.witnesses = witnesses
        paths = Self.changedPaths(witnesses)
        for witness in witnesses {
            let after = paths.map { value(at: $0, in: witness.statement.object.content) }
            let node = self.node(after)
            shown.append(node)
            switch witness.statement.kind {
            case .created: surplus[node] += 1
            case .seen: break
            case .changed(let before):
                let from = self.node(zip(paths, after).map { path, value in Walk.lookUp(path, in: before) ?? value })
                surplus[node] += 1
                surplus[from] -= 1
                parents[root(of: from)] = root(of: node)
            }
        }
    }

    var last: Chain.Last {
        let isWhole = Set(nodes.indices.map(root(of:))).count == 1
        let (ends, starts) = (nodes.indices.filter { surplus[$0] > 0 }, nodes.indices.filter { surplus[$0] < 0 })
        let beginnings = witnesses.count { $0.statement.kind == .created }
        let isBalanced = isWhole && ends.count == 1 && surplus[ends[0]] == 1 && starts.count + beginnings == 1
        let final = isBalanced ? ends : possibleEnds(ends)
        let candidates = witnesses.indices.filter { final.contains(shown[$0]) }.map { witnesses[$0] }
        let circles = Set(shown).count < shown.count
        // What is said to be equal in all that changed, and yet differs, has changed without a word.
        let agree = candidates.allSatisfy { $0.statement.object.state == candidates[0].statement.object.state }
        return Chain.Last(
            witness: Chain.best(of: candidates),
            certainty: !isBalanced || !agree ? .guess : circles ? .likely : .certain)
    }

    /// Where the walk may end: not where it began, unless it went nowhere else.
    private func possibleEnds(_ ends: [Int]) -> [Int] {
        let beginning = witnesses.indices.filter { witnesses[$0].statement.kind == .created }.map { shown[$0] }
        let seen = witnesses.indices.filter { witnesses[$0].statement.kind == .seen }.map { shown[$0] }
        let choice = (ends + seen).filter { !beginning.contains($0) }
        return choice.isEmpty ? shown : choice
    }

    private mutating func node(_ values: [JSON]) -> Int {
        if let known = nodes.firstIndex(of: values) { return known }
        nodes.append(values)
        surplus.append(0)
        parents.append(parents.count)
        return nodes.count - 1
    }

    private func root(of node: Int) -> Int {
        var node = node
        while parents[node] != node { node = parents[node] }
        return node
    }

    // MARK: Values

    /// Every place that any of the changes names, down to lists and plain values.
    private static func changedPaths(_ witnesses: [Witness]) -> [[String]] {
        var paths: [[String]] = []
        for witness in witnesses {
            guard case .changed(let before) = witness.statement.kind else { continue }
            collect(before, [], into: &paths)
        }
        return paths
    }

    private static func collect(_ json: JSON, _ path: [String], into paths: inout [[String]]) {
        guard let members = json.members, !(members.isEmpty && !path.isEmpty) else {
            if !path.isEmpty, !paths.contains(path) { paths.append(path) }
            return
        }
        for member in members { collect(member.value, path + [member.name], into: &paths) }
    }

    /// What is absent and what is null are the same here.
    private func value(at path: [String], in json: JSON) -> JSON { Self.lookUp(path, in: json) ?? .null }

    private static func lookUp(_ path: [String], in json: JSON) -> JSON? {
        var value = json
        for name in path {
            guard let next = value[name] else { return nil }
            value = next
        }
        return value
    }
}
