import Kit
import Logging
import Synchronization
import TestSupport

@testable import Engine
@testable import Store

/// A platform that the tests describe.
struct SamplePlatform: Connectable {
    let about = About(id: "sample", name: "Sample", version: "1", documentation: "https://sample.example")
    var oauth: OAuth2

    init(rotation: OAuth2.Rotation) {
        oauth = OAuth2(
            authorize: .init("https://sample.example", "/authorize"), token: .init("https://sample.example", "/token"),
            settings: .init(clientID: "SAMPLE_ID", clientSecret: "SAMPLE_SECRET", address: "SAMPLE_BASE_URL"),
            permissions: [.init("read", "Reads.")])
        oauth.revoke = .init("https://sample.example", "/revoke")
        oauth.accountMember = "open_id"
        oauth.rotation = rotation
    }
}

/// A clock that whoever sleeps turns.
final class SleepersClock: Sendable {
    private let time = Mutex(Timestamp.testNow)
    var now: Timestamp { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 = $0 + duration } }
    func advance(to moment: Timestamp) { time.withLock { $0 = max($0, moment) } }
    var source: TimeSource {
        TimeSource(
            now: { self.now }, uptime: { self.now - .testNow },
            sleep: { duration in
                try Task.checkCancellation()
                self.advance(duration)
                await Task.yield()
            })
    }
}

/// One connection at a platform, and as many nodes as a test wants.
struct RefreshRig: Sendable {
    let database: any Database
    let platform: FakePlatform
    let sample: SamplePlatform
    let ids: Identifiers
    let time: TimeSource
    let vault = Vault(keyring: Keyring([(id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))]))
    let connection: ID<ConnectionKind>
    let logger: Logger

    static let app = ID<AppKind>(stored: "app_00000000000000000000000001")

    init(
        _ database: any Database, _ platform: FakePlatform, rotation: OAuth2.Rotation, time: TimeSource,
        logger: Logger = .quiet
    ) async throws {
        self.logger = logger
        self.database = database
        self.platform = platform
        self.time = time
        sample = SamplePlatform(rotation: rotation)
        ids = Identifiers(now: time.now)
        connection = ids.make()
        try await connect()
    }

    private func connect() async throws {
        let desk = TokenDesk(wire: platform, now: time.now)
        let code = Secret(platform.consent("open-1", scopes: "read"))
        let outcome = await desk.ask(
            .code(code, redirect: "https://p.example/callback/sample", verifier: nil), of: sample, as: client)
        guard case .given(let tokens, let asked) = outcome else { throw StoreError.refused("no tokens") }
        let credential = try NewCredential(
            tokens, of: connection, version: 1, oauth: sample.oauth, obtained: asked, vault: vault)
        let new = NewConnection(
            id: connection, userID: connection.text, provider: "sample", app: Self.app, openID: "open-1", name: nil,
            scopes: ["read"], wanted: ["read"], isPending: false)
        let (now, job) = (time.now(), ids.make(JobKind.self))
        try await database.write("connect") { [connection] session in
            let row = try session.connect(new, at: now)
            guard try session.keep(credential, of: row, replacing: nil, at: now) else {
                throw StoreError.refused("not kept")
            }
            if let due = credential.refreshAt {
                try session.enqueue([RefreshWorker.job(job, connection, version: 1, at: due, now: now)])
            }
        }
    }

    private var client: ClientCredentials { ClientCredentials(id: "c", secret: Secret("s")) }

    /// A node with a session of its own. `database` and `wire` may be such as die.
    func node(
        on other: (any Database)? = nil, wire: (any TokenWire)? = nil, traffic: Traffic? = nil
    ) async throws -> (refreshing: Refreshing, connections: Connections, id: ID<NodeKind>) {
        let id = ids.make(NodeKind.self)
        let now = time.now()
        try await database.write("node") { try $0.openNode(id, host: "h", process: 1, program: "t", at: now) }
        let store = other ?? database
        let apps = ConnectionApps(
            settings: ["sample": .init(app: Self.app, id: "c", secret: Secret("s"), address: nil)], database: store,
            vault: vault, time: time)
        let refreshing = Refreshing(
            platforms: ["sample": sample], apps: apps,
            desk: TokenDesk(wire: wire ?? platform, now: time.now, traffic: traffic), database: store, vault: vault,
            node: { id }, ids: ids, time: time, bells: Bells(), logger: logger)
        let connections = Connections(
            platforms: ["sample": sample], refreshing: refreshing, database: store, vault: vault, ids: ids,
            time: time, bells: Bells())
        return (refreshing, connections, id)
    }

    func row() async throws -> ConnectionRow {
        guard let row = try await database.read("row", { [connection] in try $0.connection(connection) }) else {
            throw StoreError.refused("no connection")
        }
        return row
    }
    func held() async throws -> CredentialRow {
        guard let row = try await database.read("row", { [connection] in try $0.credential(of: connection) }) else {
            throw StoreError.refused("no tokens")
        }
        return row
    }

    /// What followers were told of connections, oldest first.
    func told() async throws -> [String] {
        try await database.read("told") { [connection] session in
            try session.rows(
                "SELECT type FROM changes WHERE type LIKE 'connection.%' AND subject = \(connection) ORDER BY seq"
            ) { try $0.text() }
        }
    }
    func openAlerts() async throws -> [String] {
        try await database.read("alerts") { [connection] session in
            try session.rows(
                "SELECT kind FROM alerts WHERE state <> 'resolved' AND subject = \(connection) ORDER BY kind"
            ) { try $0.text() }
        }
    }
}
