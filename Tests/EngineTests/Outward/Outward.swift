import Kit
import ServiceLifecycle
import Store
import Synchronization
import TestSupport

@testable import Engine

/// A node that sends: hub, sequencer and sender over one database, with a clock that stands.
struct Outward: Sendable {
    let database: any Database
    let clock = TestClock()
    let written = Bell()
    let placed = Bell()
    let changed = Bell()
    let identifiers: Identifiers
    let node: ID<NodeKind>
    let wire: any OutsideWire
    let hub: ChangeHub
    let endpoints: Endpoints

    init(_ database: any Database, wire: any OutsideWire) {
        self.database = database
        self.wire = wire
        let clock = clock
        identifiers = Identifiers(now: { clock.now })
        node = identifiers.make()
        hub = ChangeHub(database: database, placed: placed, time: .system, logger: .quiet)
        endpoints = Endpoints(
            database: database, wire: wire, vault: FakeVault(), identifiers: identifiers, policy: GuardedWireTests.open,
            time: clock.source, changed: changed, program: "test")
    }

    var sequencer: Sequencer {
        Sequencer(
            database: database, node: { [node] in node }, written: written, placed: placed, time: .system,
            logger: .quiet)
    }

    func sender(node: ID<NodeKind>? = nil) -> EndpointSender {
        EndpointSender(
            database: database, hub: hub, wire: wire, vault: FakeVault(), identifiers: identifiers,
            node: { [self] in node ?? self.node }, changed: changed, written: written, time: clock.source,
            logger: .quiet,
            program: "test")
    }

    /// Runs a node's services until the body ends.
    static func with(
        _ engine: TestEngine, wire: (any OutsideWire)? = nil, _ body: (Outward) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let guarded = GuardedWire(policy: GuardedWireTests.open, resolver: FixedResolver([]))
            let outward = Outward(database, wire: wire ?? guarded)
            do {
                try await outward.running { try await body(outward) }
            } catch {
                await guarded.close()
                throw error
            }
            await guarded.close()
        }
    }

    func running(_ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let sender = sender()
            group.addTask { [sequencer] in try await sequencer.run() }
            group.addTask { [hub] in try await hub.run() }
            group.addTask { try await sender.run() }
            do {
                try await body()
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
        }
    }

    /// Writes changes, each in a transaction of its own where `apart`.
    @discardableResult
    func happen(_ count: Int, _ type: String = "payment.succeeded", user: String? = nil) async throws -> [ID<
        ChangeKind
    >] {
        let changes = (0..<count).map { number in
            NewChange(
                id: identifiers.make(), type: type, subject: "s\(number)", userID: user, occurredAt: clock.now,
                data: JSON.object([JSONMember("number", JSON(number))]).bytes)
        }
        try await database.write("happen") { try $0.append(changes) }
        written.ring()
        return changes.map(\.id)
    }

    /// Looks at the database until something is so. The services run beside it.
    func until(_ what: String, _ isSo: @escaping @Sendable (Session) throws -> Bool) async throws {
        for _ in 0..<2000 {
            if try await database.read("until", isSo) { return }
            try await Task.sleep(for: .milliseconds(5), clock: .continuous)
        }
        throw NeverHappened(what: what)
    }

    func attempts(at endpoint: Endpoint) async throws -> [Attempt] {
        try await database.read("attempts") { try $0.attempts(at: endpoint.id, limit: 100_000) }.reversed()
    }

    func endpoint(_ id: ID<EndpointKind>) async throws -> Endpoint? {
        try await database.read("endpoint") { try $0.endpoint(id) }
    }

    func changes(of type: String) async throws -> [Change] {
        try await database.read("changes") { try $0.changes(after: 0, limit: 10_000) }.filter { $0.type == type }
    }
}

struct NeverHappened: Error { let what: String }

/// Seals by turning bits around, and remembers what for.
struct FakeVault: Sealing {
    func seal(_ bytes: [UInt8], context: String) throws -> Sealed {
        Sealed(bytes: Array(context.utf8) + [0] + bytes.map { ~$0 }, keyID: "fake")
    }
    func open(_ sealed: Sealed, context: String) throws -> [UInt8] {
        guard sealed.bytes.starts(with: Array(context.utf8) + [0]) else {
            throw NeverHappened(what: "opened elsewhere")
        }
        return sealed.bytes.dropFirst(context.utf8.count + 1).map { ~$0 }
    }
}

/// Answers without a network.
final class FakeWire: OutsideWire {
    private let answer: @Sendable (OutsideRequest, Int) async throws(WireFailure) -> WireAnswer
    private let requests = Mutex<[OutsideRequest]>([])
    let bell = Bell()

    init(_ answer: @escaping @Sendable (OutsideRequest, Int) async throws(WireFailure) -> WireAnswer) {
        self.answer = answer
    }

    var all: [OutsideRequest] { requests.withLock { $0 } }
    var ids: [String] { all.compactMap { $0.headers["webhook-id"] } }

    func post(_ request: OutsideRequest) async throws(WireFailure) -> WireAnswer {
        let before = requests.withLock { requests in
            requests.append(request)
            return requests.count - 1
        }
        bell.ring()
        return try await answer(request, before)
    }

    func wait(for count: Int) async {
        while !Task.isCancelled {
            let seen = bell.rings
            if requests.withLock({ $0.count }) >= count { return }
            await bell.wait(since: seen)
        }
    }
}

extension WireAnswer {
    static func status(_ status: Int, _ headers: [Field] = []) -> WireAnswer {
        WireAnswer(status: status, headers: headers, body: [])
    }
}
