import Kit
import Synchronization

@testable import Engine
@testable import Store

/// A database that lets a test in before each write, or each read: to count, to fail, or to be quicker than the writer.
struct HookedDatabase: Database {
    let real: any Database
    var reading: @Sendable (_ name: String) async throws -> Void = { _ in }
    let before: @Sendable (_ name: String) async throws -> Void

    var dialect: Dialect { real.dialect }

    func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await reading("\(name)")
        return try await real.read(name, work)
    }
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await before("\(name)")
        return try await real.write(name, in: lane, work)
    }
    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await before("\(name)")
        return try await real.set(name, in: lane, work)
    }
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await real.schema(name, work)
    }
    func health() async throws -> StoreHealth { try await real.health() }
    func close() async {}
}

/// Says yes once.
final class Once: Sendable {
    private let isOver = Mutex(false)
    func callAsFunction() -> Bool {
        isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
    }
}

/// Counts.
final class Tally: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
}
