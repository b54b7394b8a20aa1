import Kit
import Synchronization
import TestSupport

@testable import Engine
@testable import Store

/// A process that dies at a given step: before or after a commit, before a request leaves or after the platform had it.
/// What is dead does nothing more.
final class Mortal: Sendable {
    struct Died: Error {}

    private struct State {
        var step = 0
        var isDead = false
    }
    private let state = Mutex(State())
    private let diesAt: Int?

    /// - Parameter diesAt: nil for never, to count the steps.
    init(diesAt: Int?) { self.diesAt = diesAt }

    var steps: Int { state.withLock { $0.step } }
    var isDead: Bool { state.withLock { $0.isDead } }

    /// One place where a process may die.
    func pass() throws {
        let isDead = state.withLock { state in
            if state.step == diesAt { state.isDead = true }
            state.step += 1
            return state.isDead
        }
        if isDead { throw Died() }
    }
    /// The next process, which goes on where this one ended.
    func revive() { state.withLock { $0.isDead = false } }
    func checkLife() throws { if isDead { throw Died() } }
}

/// The database as a mortal process sees it.
struct MortalDatabase: Database {
    let real: any Database
    let mortal: Mortal

    var dialect: Dialect { real.dialect }

    func read<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try mortal.checkLife()
        return try await real.read(name, work)
    }
    func write<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try mortal.pass()
        let value = try await real.write(name, in: lane, work)
        try mortal.pass()
        return value
    }
    func set<Value: Sendable>(
        _ name: StaticString, in lane: WriteLane, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try mortal.pass()
        let value = try await real.set(name, in: lane, work)
        try mortal.pass()
        return value
    }
    func schema<Value: Sendable>(
        _ name: StaticString, _ work: @escaping @Sendable (Session) throws -> Value
    ) async throws -> Value {
        try await real.schema(name, work)
    }
    func health() async throws -> StoreHealth { try await real.health() }
    func close() async {}
}

/// The way to the platform as a mortal process sees it.
struct MortalWire: TokenWire {
    let platform: FakePlatform
    let mortal: Mortal

    func send(_ request: TokenRequest, within deadline: Duration) async -> TokenExchange {
        do { try mortal.pass() } catch { return .unheard }
        let exchange = await platform.send(request, within: deadline)
        do { try mortal.pass() } catch { return .unheard }
        return exchange
    }
}
