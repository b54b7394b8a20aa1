import Kit
public import Logging
public import Store
import Synchronization

/// The circuits of all hosts. A node opens one by what it sees itself; who may try next is decided in the database, so
/// that a platform that is down meets one call in 30 seconds, however many nodes there are.
public final class Circuits: Sendable {
    private static let hostsMax = 4096

    private let state = Mutex<[String: Circuit]>([:])
    private let database: any Database
    private let time: TimeSource
    private let logger: Logger

    public init(database: any Database, time: TimeSource, logger: Logger) {
        self.database = database
        self.time = time
        self.logger = logger
    }

    /// Returns when a call to this host may leave.
    func pass(_ host: String, of provider: About) async throws(Hold) {
        let now = time.now()
        guard let until = state.withLock({ $0[host]?.blockedUntil(now) }) else { return }
        guard until <= now else { throw hold(host, provider, until: until) }
        let next = now + Circuit.probeEvery
        let probe: Probe
        do {
            probe = try await database.set("circuit_probe", in: .work) { try $0.probe(host, next: next, at: now) }
        } catch {
            // Without the database this node goes by its own clock.
            logger.warning("circuit.not_shared", metadata: ["host": "\(host)", "problem": "\(error)"])
            probe = .mine
        }
        switch probe {
        case .mine: state.withLock { $0[host]?.wait(until: next) }
        case .closed: state.withLock { $0[host]?.close() }
        case .later(let moment):
            state.withLock { $0[host]?.wait(until: moment) }
            throw hold(host, provider, until: moment)
        }
    }

    private func hold(_ host: String, _ provider: About, until: Timestamp) -> Hold {
        Hold(
            until: until, gate: .circuit(host),
            reason: "\(provider.name) does not answer as it should. It is tried again at \(until.clockText).")
    }

    /// Notes what came of a call. `isFailure`: the host's own fault; a refusal is an answer.
    func note(_ host: String, of provider: About, isFailure: Bool, reason: String) async {
        let now = time.now()
        let (wasOpen, isOpened, isOpen) = state.withLock { circuits in
            if circuits[host] == nil, circuits.count >= Self.hostsMax {
                circuits = circuits.filter { $0.value.state != .closed }
            }
            let wasOpen = circuits[host, default: Circuit()].state != .closed
            let isOpened = circuits[host, default: Circuit()].note(isFailure: isFailure, at: now)
            return (wasOpen, isOpened, circuits[host]?.state != .closed)
        }
        if isOpened { logger.warning("circuit.opened", metadata: ["host": "\(host)"]) }
        if wasOpen, !isOpen { logger.notice("circuit.closed", metadata: ["host": "\(host)"]) }
        guard isOpened || (wasOpen && isFailure) || (wasOpen && !isOpen) else { return }
        await share(
            CircuitRow(
                host: host, provider: provider.id, openedAt: now, probeAt: now + Circuit.probeEvery, reason: reason))
    }

    /// Tells the others how a host's circuit stands. Writes end in any order: whoever wrote looks once more whether it
    /// is still so.
    private func share(_ row: CircuitRow) async {
        var written: Bool?
        while true {
            let isOpen = state.withLock { $0[row.host].map { $0.state != .closed } ?? false }
            guard written != isOpen else { return }
            do {
                if isOpen {
                    try await database.set("circuit_open", in: .work) { try $0.open(row) }
                } else {
                    try await database.set("circuit_close", in: .work) { try $0.closeCircuit(row.host) }
                }
            } catch {
                return logger.warning(
                    "circuit.not_shared", metadata: ["host": "\(row.host)", "problem": "\(error)"])
            }
            written = isOpen
        }
    }

    /// Takes over what other nodes found, and what stood before this process.
    public func begin() async throws {
        let now = time.now()
        let rows = try await database.read("circuits") { try $0.circuits() }
        state.withLock { circuits in
            for row in rows {
                var circuit = Circuit()
                for _ in 0..<Circuit.failuresMin { _ = circuit.note(isFailure: true, at: now) }
                circuit.wait(until: row.probeAt)
                circuits[row.host] = circuit
            }
        }
    }
}
