public import Kit

/// A host that keeps failing.
public struct CircuitRow: Sendable, Equatable {
    public let host: String
    public let provider: String
    public let openedAt: Timestamp
    /// When somebody may try it next.
    public let probeAt: Timestamp
    /// For a person.
    public let reason: String

    public init(host: String, provider: String, openedAt: Timestamp, probeAt: Timestamp, reason: String) {
        self.host = host
        self.provider = provider
        self.openedAt = openedAt
        self.probeAt = probeAt
        self.reason = reason
    }
}

/// Whether a node may try a host that keeps failing.
public enum Probe: Sendable, Equatable {
    /// This node may, once.
    case mine
    /// Not before this time.
    case later(Timestamp)
    /// Another node found it well.
    case closed
}

extension Session {
    /// Notes that a host keeps failing. One that is noted already stays open since when it was.
    public func open(_ circuit: CircuitRow) throws {
        try run(
            """
            INSERT INTO circuits (host, provider, opened_at, probe_at, reason)
            VALUES (\(circuit.host), \(circuit.provider), \(circuit.openedAt), \(circuit.probeAt), \(circuit.reason))
            ON CONFLICT (host) DO UPDATE SET probe_at = excluded.probe_at, reason = excluded.reason
            """)
    }

    /// Lets one node try, and nobody else for a while.
    public func probe(_ host: String, next: Timestamp, at now: Timestamp) throws -> Probe {
        if try run("UPDATE circuits SET probe_at = \(next) WHERE host = \(host) AND probe_at <= \(now)") == 1 {
            return .mine
        }
        let until = try row("SELECT probe_at FROM circuits WHERE host = \(host)") { try $0.time() }
        return until.map { .later($0) } ?? .closed
    }

    public func closeCircuit(_ host: String) throws { try run("DELETE FROM circuits WHERE host = \(host)") }

    /// All that are open; there are never many platforms.
    public func circuits() throws -> [CircuitRow] {
        try rows("SELECT host, provider, opened_at, probe_at, reason FROM circuits ORDER BY host LIMIT 1000") { row in
            CircuitRow(
                host: try row.text(), provider: try row.text(), openedAt: try row.time(), probeAt: try row.time(),
                reason: try row.text())
        }
    }
}
