import Kit
import Store
import Synchronization
import TestSupport
import Testing

@testable import Engine

@Suite("Circuits of many nodes")
struct CircuitSharingTests {
    private let about = About(id: "plain", name: "Plain", version: "1", documentation: "https://example.com")

    @Test("a write that comes late does not leave a host open that is well again")
    func late() async throws {
        try await TestDatabase.with(.sqlite) { real in
            let database = LateDatabase(real, holding: "circuit_open")
            let circuits = Circuits(database: database, time: TestClock().source, logger: .quiet)
            func note(isFailure: Bool) async {
                await circuits.note("h", of: about, isFailure: isFailure, reason: "Plain gave no answer.")
            }
            for _ in 1..<Circuit.failuresMin { await note(isFailure: true) }
            async let opening: Void = note(isFailure: true)
            for _ in 0..<10_000 where !database.isHolding { try await Task.sleep(for: .milliseconds(1)) }
            #expect(database.isHolding)
            // A call that left before is answered meanwhile.
            await note(isFailure: false)
            database.release()
            await opening

            let left = try await real.read("circuits") { try $0.circuits() }
            #expect(left.isEmpty)
        }
    }
}

/// A database in which one set of a name waits until it is told to go on.
private final class LateDatabase: Database {
    private let real: any Database
    private let name: String
    private let state = Mutex((isHolding: false, isReleased: false))

    init(_ real: any Database, holding name: String) {
        self.real = real
        self.name = name
    }

    var isHolding: Bool { state.withLock { $0.isHolding } }
    func release() { state.withLock { $0.isReleased = true } }

    var dialect: Dialect { real.dialect }
    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        if "\(name)" == self.name {
            state.withLock { $0.isHolding = true }
            while !state.withLock({ $0.isReleased }) { try await Task.sleep(for: .milliseconds(1)) }
        }
        return try await real.set(name, in: lane, work)
    }
    func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.read(name, work) }
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.write(name, in: lane, work) }
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value { try await real.schema(name, work) }
    func health() async throws -> StoreHealth { try await real.health() }
    func close() async {}
}
