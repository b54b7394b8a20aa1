import Kit

/// What a node holds now.
public struct NodeLoad: Sendable, Equatable {
    public var jobs = 0
    /// Such as the endpoints that it sends to.
    public var leases = 0

    public init() {}
}

extension Session {
    /// Audit entries that a filter without an index looks through before it says so.
    public static var auditScanned: Int { 20_000 }

    /// What each node holds, by its id.
    public func nodeLoads() throws -> [String: NodeLoad] {
        var loads: [String: NodeLoad] = [:]
        let jobs = try rows("SELECT node, count(*) FROM jobs WHERE state = 'running' GROUP BY node") { row in
            (try row.optionalText(), Int(try row.integer()))
        }
        for case (let node?, let count) in jobs { loads[node, default: NodeLoad()].jobs = count }
        let leases = try rows("SELECT node, count(*) FROM leases WHERE node IS NOT NULL GROUP BY node") { row in
            (try row.text(), Int(try row.integer()))
        }
        for (node, count) in leases { loads[node, default: NodeLoad()].leases = count }
        return loads
    }

    /// The entries that a filter finds among the next `auditScanned`; the second is set where the search ended early.
    public func searchAudit(_ filter: AuditFilter, _ page: ListPage) throws -> (rows: [AuditRow], stoppedAt: String?) {
        guard filter.actor != nil || filter.action != nil || filter.subject != nil else {
            return (try audit(filter, page), nil)
        }
        let after: SQL = page.after.map { page.ascending ? "WHERE id > \($0)" : "WHERE id < \($0)" } ?? ""
        let border = try row(
            """
            SELECT id FROM audit \(after)
             ORDER BY id \(page.order) LIMIT 1 OFFSET \(Self.auditScanned - 1)
            """
        ) { try $0.text() }
        let found = try audit(filter, page, upTo: border)
        return (found, found.count > page.limit ? nil : border)
    }

    /// The names of operators, by id, for those who read what they did.
    public func operatorNames(limit: Int) throws -> [String: String] {
        let found = try rows("SELECT id, name FROM operators ORDER BY id LIMIT \(limit)") { row in
            (try row.text(), try row.text())
        }
        return Dictionary(found) { first, _ in first }
    }
}
