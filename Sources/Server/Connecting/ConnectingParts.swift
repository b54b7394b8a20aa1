import AsyncHTTPClient
import Engine
import Kit
import Logging
import Store

/// What connects accounts, put together from the settings.
struct ConnectingParts: Sendable {
    let connections: Connections
    let sessions: ConnectSessions
    let importing: ConnectionImporting
    let workers: [any JobWorker]

    init(
        _ settings: Settings, database: any Database, vault: Vault, client: HTTPClient,
        traffic: Traffic, node: @escaping @Sendable () -> ID<NodeKind>, ids: Identifiers, time: TimeSource,
        bells: Bells, logger: Logger
    ) async throws {
        try await self.init(
            settings, database: database, vault: vault, wire: HTTPTokenWire(client: client), traffic: traffic,
            node: node, ids: ids, time: time, bells: bells, logger: logger
        ) { connections in
            AccountSubscribing(
                Providers.accountSubscriptionSources,
                caller: Instance.connectionCaller(
                    settings, connections, traffic: traffic, wire: HTTPWire(client: client)),
                base: settings.addressForPlatforms)
        }
    }

    /// - Parameter ordering: what orders accounts' webhooks; nil where nobody does.
    init(
        _ settings: Settings, database: any Database, vault: Vault, wire: any TokenWire, traffic: Traffic? = nil,
        node: @escaping @Sendable () -> ID<NodeKind>, ids: Identifiers, time: TimeSource, bells: Bells,
        logger: Logger, ordering: ((Connections) -> AccountSubscribing)? = nil
    ) async throws {
        let platforms = Dictionary(
            uniqueKeysWithValues: Providers.connectable(settings).map { ($0.about.id, $0) })
        var own: [String: ConnectionApps.OfSettings] = [:]
        for (provider, client) in settings.clients {
            let fresh: ID<AppKind> = ids.make()
            let now = time.now()
            let app = try await database.write("settings_app") { try $0.settingsApp(of: provider, id: fresh, at: now) }
            own[provider] = .init(app: app, id: client.id, secret: client.secret, address: client.address)
        }
        let apps = ConnectionApps(settings: own, database: database, vault: vault, time: time)
        let desk = TokenDesk(wire: wire, now: time.now, traffic: traffic)
        let refreshing = Refreshing(
            platforms: platforms, apps: apps, desk: desk, database: database, vault: vault, node: node, ids: ids,
            time: time, bells: bells, logger: logger)
        let connections = Connections(
            platforms: platforms, refreshing: refreshing, database: database, vault: vault, ids: ids, time: time,
            bells: bells)
        self.connections = connections
        sessions = ConnectSessions(
            platforms: platforms, apps: apps, desk: desk, database: database, vault: vault, ids: ids, time: time,
            bells: bells, logger: logger, base: settings.browserAddress)
        importing = ConnectionImporting(
            platforms: platforms, apps: apps, database: database, vault: vault, ids: ids, time: time, bells: bells)
        let subscribing = ordering?(connections)
        let orders: [any JobWorker] = [subscribing].compactMap { $0 }.map {
            AccountSubscriptionWorker($0, database: database, ids: ids, time: time, bells: bells)
        }
        workers =
            orders + [
                RefreshWorker(refreshing),
                RevokeWorker(
                    platforms: platforms, apps: apps, desk: desk, subscribing: subscribing, database: database,
                    vault: vault, time: time, logger: logger),
                ConnectionSweep(
                    platforms: platforms, connections: connections, database: database, ids: ids, time: time),
            ]
    }
}

/// Connecting accounts, as the API and the pages need it.
public struct ConnectHooks: Sendable {
    let connections: Connections
    let sessions: ConnectSessions
    let importing: ConnectionImporting
    let platforms: [any Connectable]

    init(_ parts: ConnectingParts, _ settings: Settings) {
        connections = parts.connections
        sessions = parts.sessions
        importing = parts.importing
        platforms = Providers.connectable(settings)
    }

    func platform(_ id: String) -> (any Connectable)? { platforms.first { $0.about.id == id } }
}
