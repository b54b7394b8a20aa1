import AsyncHTTPClient
import Engine
import Kit
import Logging
import Store

extension Instance {
    /// What orders webhooks at platforms: for the apps of the settings, whose keys it takes.
    static func subscribing(
        _ settings: Settings, _ owned: [String: OwnedSecrets], _ wire: HTTPWire, _ traffic: Traffic, _ time: TimeSource
    ) -> Subscribing {
        var platforms: [ID<AppKind>: Subscribing.Platform] = [:]
        for source in Providers.subscriptionSources {
            guard let access = settings.access(to: source.about.id), let app = owned[source.about.id]?.app else {
                continue
            }
            let caller = Engine.Caller(
                source, key: access.key, address: access.address, wire: wire, now: time.now, traffic: traffic)
            platforms[app] = Subscribing.Platform(source, caller: caller)
        }
        return Subscribing(platforms, base: settings.addressForPlatforms)
    }

    /// Who asks platforms whether they sent a delivery.
    static func asking(
        _ database: any Database, _ vault: Vault, _ client: HTTPClient, _ traffic: Traffic, time: TimeSource,
        metrics: Metrics, logger: Logger
    ) -> PlatformAsking {
        // What the settings hold comes with the scheme.
        let apps = ConnectionApps(settings: [:], database: database, vault: vault, time: time)
        return PlatformAsking(
            Providers.appAsked, clients: { try await apps.credentials(of: $0, at: $1) },
            wire: HTTPWire(client: client), tokens: HTTPTokenWire(client: client), traffic: traffic, time: time,
            metrics: metrics, logger: logger)
    }

    /// The tokens of connections.
    private static func credentials(_ connections: Connections) -> Proxying.Credentials {
        { id, refused in
            let held = try await connections.credential(of: ID(stored: id), refusing: refused)
            return Proxying.Credential(token: held.access, version: held.version)
        }
    }

    /// Asks platforms on connections' behalf.
    static func connectionCaller(
        _ settings: Settings, _ connections: Connections, _ traffic: Traffic, _ wire: any StreamWire,
        _ objects: ObjectStore? = nil, outside: (any StreamWire)? = nil
    ) -> ConnectionCaller {
        let platforms = Providers.all.compactMap { $0 as? any AccountCallable }.map { source in
            (source.about.id, ConnectionCaller.Platform(source, base: settings.clients[source.about.id]?.address))
        }
        return ConnectionCaller(
            platforms: Dictionary(uniqueKeysWithValues: platforms), traffic: traffic, wire: wire, outside: outside,
            objects: objects, credential: credentials(connections))
    }

    /// Calls on connections' behalf.
    var proxyRoutes: ProxyRoutes {
        let (settings, database) = (settings, database)
        let platforms = Dictionary(
            uniqueKeysWithValues: Providers.connectable(settings).map { ($0.about.id, $0) })
        let proxying = Proxying(
            traffic: traffic, wire: HTTPWire(client: client), credential: Self.credentials(connections))
        return ProxyRoutes(app: app, proxying: proxying) { id in
            guard let id = ID<ConnectionKind>(id),
                let row = try await database.read("proxied", { try $0.connection(id) }), row.deletedAt == nil,
                let platform = platforms[row.provider]
            else { return nil }
            let own = platform.oauth.profile?.place.host ?? platform.oauth.token.host
            return Proxying.Target(
                connection: id.text, account: row.openID, userID: row.userID, app: row.app.text,
                provider: platform.about, base: settings.clients[row.provider]?.address ?? own,
                paths: (platform as? any PathKnowing)?.paths ?? [],
                failure: (platform as? any AccountCallable).map {
                    callable -> @Sendable (Kit.Answer, Timestamp) -> Failure? in
                    { callable.failure(in: $0, at: $1) }
                })
        }
    }

    /// Asks the platforms whether what is set up works.
    var onlineDoctor: OnlineDoctor {
        let wire = HTTPWire(client: client)
        return OnlineDoctor(
            settings: settings, prober: Prober(wire: wire, traffic: traffic, time: time), wire: wire,
            database: database, vault: vault, ids: ids, now: time.now)
    }

    /// What keeps bodies of calls where somebody asks for it; nil where nothing can be sealed.
    private static func captures(
        _ settings: Settings, _ database: any Database, _ vault: Vault, time: TimeSource, logger: Logger
    ) -> Captures? {
        guard !settings.encryptionKeys.isEmpty else { return nil }
        let naming = Providers.all.compactMap { $0 as? any SecretNaming }.map { ($0.about.id, $0.secretFields) }
        let secrets = settings.clients.values.compactMap(\.secret) + [settings.stripe.secretKey].compactMap(\.self)
        return Captures(
            names: Dictionary(uniqueKeysWithValues: naming), secrets: secrets, database: database, vault: vault,
            time: time, logger: logger)
    }

    /// The way out of every call. One process counts short windows by itself; several share all through the database.
    static func traffic(
        _ settings: Settings, _ database: any Database, _ vault: Vault, _ keepsQuotas: Bool, _ metrics: Metrics,
        _ node: NodeSession, _ ids: Identifiers, _ time: TimeSource, _ logger: Logger
    ) async throws -> Traffic {
        let isShared = database.dialect.engine == .postgres
        let now = time.now()
        // What an earlier process has spent in short windows is written nowhere.
        let lastAlive = try await database.read("last_alive") { session in
            try session.nodes(endedAfter: now - .hours(1)).map { max($0.beatAt, $0.stoppedAt ?? $0.beatAt) }.max()
        }
        let quotas = Quotas(
            book: QuotaBook(keepsQuotas ? Providers.limited : []),
            limiter: Limiter(time: time, lastAlive: isShared ? nil : lastAlive.map { $0 + .seconds(5) }),
            keeper: DatabaseKeeper(database: database, now: time.now), isShared: isShared,
            node: { node.id.text }, time: time, logger: logger)
        return Traffic(
            quotas: quotas, circuits: Circuits(database: database, time: time, logger: logger),
            recorder: CallRecorder(database: database, metrics: metrics, time: time, logger: logger),
            captures: captures(settings, database, vault, time: time, logger: logger), ids: ids, time: time)
    }
}
