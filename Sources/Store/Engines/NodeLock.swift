import Foundation
public import Kit
import Logging

/// Proof that a node's process lives, held by the database server: an advisory lock on a connection of its own. It is
/// free the moment the process dies, however it dies; whoever finds it free may revoke the node's session at once.
///
/// `@unchecked Sendable`: `lock` guards everything mutable.
public final class NodeLock: @unchecked Sendable {
    private let lock = NSLock()
    private var wanted: Int64?
    private var held: Int64?
    private var isStopped = false
    private let url: String
    private let ended = Gate()

    init(url: String) {
        self.url = url
        startThread("pg-node-lock") { self.loop() }
    }

    /// Wants the lock of a node from now on, instead of an earlier one.
    public func hold(_ node: ID<NodeKind>) { lock.withLock { wanted = Self.key(of: node) } }

    /// Whether the lock that is wanted is held.
    public var isHeld: Bool { lock.withLock { wanted == held } }

    public func release() async {
        lock.withLock { isStopped = true }
        await ended.wait()
    }

    static func key(of node: ID<NodeKind>) -> Int64 { Checksum.of(Array(node.text.utf8)) }

    private func loop() {
        var connection: PostgresConnection?
        while !lock.withLock({ isStopped }) {
            do {
                let open = try connection ?? PostgresConnection(url: url)
                connection = open
                try keep(on: open)
            } catch {
                // The server let the lock go with the connection: what this node holds is no longer proven.
                connection = nil
                lock.withLock { held = nil }
            }
            Thread.sleep(forTimeInterval: 0.2)
        }
        connection = nil
        ended.open()
    }

    private func keep(on connection: PostgresConnection) throws {
        let (wanted, held) = lock.withLock { (self.wanted, self.held) }
        guard wanted != held else { return try connection.execute("SELECT 1") }
        try connection.execute("SELECT pg_advisory_unlock_all()")
        lock.withLock { self.held = nil }
        if let wanted {
            try connection.execute("SELECT pg_advisory_lock(\(wanted))")
            lock.withLock { self.held = wanted }
        }
    }
}

extension PostgresDatabase {
    /// A lock that proves a node of this process.
    public func nodeLock() -> NodeLock { NodeLock(url: url) }
}

extension Session {
    /// Whether nobody holds the lock of a node: its process is gone. Always false on SQLite, where the file's lock is
    /// the proof.
    public func isLockFree(of node: ID<NodeKind>) throws -> Bool {
        guard dialect.engine == .postgres else { return false }
        return try row("SELECT pg_try_advisory_xact_lock(\(NodeLock.key(of: node)))") { try $0.boolean() } ?? false
    }
}
