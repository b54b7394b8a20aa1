import AsyncHTTPClient
import Kit
import NIOCore
import NIOPosix
import Synchronization

/// HTTP clients by host and vetted address: the address that a client dials is a setting of the whole client.
///
/// The state keeps the few that were used last; one that falls out is shut down when its last exchange has ended.
final class GuardedClients: Sendable {
    /// Each holds its own TLS context and idle connections.
    private static let clientsMax = 64
    /// Shorter than the keep-alive of most servers (5 s in Node), so that no request meets a closing connection.
    private static let idle = TimeAmount.seconds(4)

    private struct Key: Hashable {
        let host: String
        let address: IPAddress
    }
    private struct Entry {
        let client: HTTPClient
        var users = 0
        var used: UInt64 = 0
    }
    private struct State {
        var entries: [Key: Entry] = [:]
        var clock: UInt64 = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let policy: AddressPolicy
    private let limits: GuardedWire.Limits
    private let configure: (@Sendable (inout HTTPClient.Configuration) -> Void)?

    init(
        policy: AddressPolicy, limits: GuardedWire.Limits,
        configure: (@Sendable (inout HTTPClient.Configuration) -> Void)?
    ) {
        self.policy = policy
        self.limits = limits
        self.configure = configure
    }

    /// Gives a client that dials this address for this host, and keeps it open meanwhile.
    func with<Value: Sendable>(
        _ url: OutsideURL, _ address: IPAddress, _ use: (HTTPClient) async throws -> Value
    ) async throws -> Value {
        let key = Key(host: url.hostText, address: address)
        let (client, leaving) = try take(key, address)
        for client in leaving { await Self.shutDown(client) }
        do {
            let value = try await use(client)
            await giveBack(key)
            return value
        } catch {
            await giveBack(key)
            throw error
        }
    }

    func close() async {
        let clients = state.withLock { state in
            state.isClosed = true
            defer { state.entries = [:] }
            return state.entries.values.map(\.client)
        }
        for client in clients { await Self.shutDown(client) }
    }

    /// The client, and those that nobody uses any more.
    private func take(_ key: Key, _ address: IPAddress) throws(WireFailure) -> (HTTPClient, leaving: [HTTPClient]) {
        let taken: (HTTPClient, [HTTPClient])? = state.withLock { state in
            guard !state.isClosed else { return nil }
            state.clock += 1
            var entry = state.entries[key] ?? Entry(client: client(for: key, address))
            entry.users += 1
            entry.used = state.clock
            state.entries[key] = entry
            return (entry.client, evict(from: &state))
        }
        guard let taken else { throw .cancelled }
        return (taken.0, taken.1)
    }

    private func giveBack(_ key: Key) async {
        let leaving = state.withLock { state in
            state.entries[key]?.users -= 1
            return evict(from: &state)
        }
        for client in leaving { await Self.shutDown(client) }
    }

    /// Takes out the oldest unused ones beyond the bound.
    private func evict(from state: inout State) -> [HTTPClient] {
        guard state.entries.count > Self.clientsMax else { return [] }
        let unused = state.entries.filter { $0.value.users == 0 }.sorted { $0.value.used < $1.value.used }
        return unused.prefix(state.entries.count - Self.clientsMax).compactMap { key, _ in
            state.entries.removeValue(forKey: key)?.client
        }
    }

    private func client(for key: Key, _ address: IPAddress) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        configuration.timeout = .init(
            connect: TimeAmount(limits.connect), read: TimeAmount(limits.whole), write: TimeAmount(limits.whole))
        configuration.connectionPool.idleTimeout = Self.idle
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = limits.connectionsPerHost
        if key.host != address.description { configuration.dnsOverride = [key.host: address.description] }
        configuration.http1_1ConnectionDebugInitializer = { [policy] channel in
            Self.check(channel, is: address, by: policy)
        }
        configure?(&configuration)
        return HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
    }

    /// The second layer: whatever led here, no byte goes to an address that was not vetted.
    private static func check(
        _ channel: any Channel, is vetted: IPAddress, by policy: AddressPolicy
    ) -> EventLoopFuture<Void> {
        let peer = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }
        if let peer, peer.canonical == vetted.canonical, policy.refusal(of: peer) == nil {
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let failure = WireFailure.refusedAddress("The connection led to another address than the one that was checked.")
        channel.close(promise: nil)
        return channel.eventLoop.makeFailedFuture(failure)
    }

    private static func shutDown(_ client: HTTPClient) async {
        try? await client.shutdown()  // Fails only when it was shut down before.
    }
}

extension OutsideURL {
    var hostText: String {
        switch host {
        case .name(let name): name
        case .address(let address): address.description
        }
    }
}

extension TimeAmount {
    init(_ duration: Duration) { self = .microseconds(duration.microseconds) }
}
