import Foundation
import Kit
import Logging
import NIOCore
import Sandbox
import Synchronization
import TestSupport
import Testing
import TikTok

@testable import Engine
@testable import Sandbox
@testable import Store

/// A simulated platform without ports, one account of it connected, and as many nodes as a test wants.
struct PublishRig: Sendable {
    let database: any Database
    let clock: SleepersClock
    let ids: Identifiers
    let vault = Vault(keyring: Keyring([(id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))]))
    let platform: PlatformInProcess
    let connection: ConnectionRow
    let connections: Connections
    private let token: Secret
    let folder: String
    let objects: ObjectStore
    /// A film of seven chunks; most of its bytes are holes.
    let film: ID<ObjectKind>
    static let filmSize: Int64 = 70_000_123

    private static let app = ID<AppKind>(stored: "app_00000000000000000000000001")

    static func with(
        _ database: any Database, settings: JSON = .object([]), _ body: (PublishRig) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("objects-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A test that failed early made none.
        try await body(try await PublishRig(database, settings, folder))
    }

    private init(_ database: any Database, _ settings: JSON, _ folder: String) async throws {
        self.database = database
        self.folder = folder
        let clock = SleepersClock()
        (self.clock, ids) = (clock, Identifiers(now: { clock.now }))
        platform = try PlatformInProcess(clock, settings: settings)
        token = Secret(try await platform.connect())
        objects = ObjectStore(
            folder: ObjectFolder.ofTest(folder) { 1 << 40 }, database: database, ids: ids, time: clock.source)
        try await objects.prepare()
        film = ids.make()
        connections = Self.connections(database, ids, vault, clock)
        connection = try await Self.connect(platform.openID, token, database, ids, vault, clock)
        try await keepFilm()
    }

    private static func connect(
        _ account: String, _ token: Secret, _ database: any Database, _ ids: Identifiers, _ vault: Vault,
        _ clock: SleepersClock
    ) async throws -> ConnectionRow {
        let (id, now) = (ids.make(ConnectionKind.self), clock.now)
        let new = NewConnection(
            id: id, userID: id.text, provider: "tiktok", app: Self.app, openID: account, name: nil,
            scopes: ["video.publish", "video.upload"], wanted: [], isPending: false)
        let credential = try NewCredential(
            Tokens(access: token, refresh: nil, expiresAt: nil, refreshExpiresAt: nil, scopes: nil, account: nil),
            of: id, version: 1, oauth: TikTok().oauth, obtained: now, vault: vault)
        return try await database.write("connect") { session in
            let row = try session.connect(new, at: now)
            _ = try session.keep(credential, of: row, replacing: nil, at: now)
            return row
        }
    }

    /// Another of the application's users connects, to the same account unless said.
    func connectAnother(to account: String? = nil) async throws -> ConnectionRow {
        try await Self.connect(account ?? platform.openID, token, database, ids, vault, clock)
    }

    /// What gives calls their token; nobody is asked for another.
    private static func connections(
        _ database: any Database, _ ids: Identifiers, _ vault: Vault, _ clock: SleepersClock
    ) -> Connections {
        let (time, node) = (clock.source, ids.make(NodeKind.self))
        let apps = ConnectionApps(
            settings: ["tiktok": .init(app: app, id: "aw_test", secret: Secret("s"), address: nil)],
            database: database, vault: vault, time: time)
        let desk = TokenDesk(wire: FakePlatform(now: { clock.now }), now: { clock.now })
        let refreshing = Refreshing(
            platforms: ["tiktok": TikTok()], apps: apps, desk: desk, database: database, vault: vault,
            node: { node }, ids: ids, time: time, bells: Bells(), logger: .quiet)
        return Connections(
            platforms: ["tiktok": TikTok()], refreshing: refreshing, database: database, vault: vault, ids: ids,
            time: time, bells: Bells())
    }

    private func keepFilm() async throws {
        let place = objects.folder.place(of: film)
        #expect(FileManager.default.createFile(atPath: place, contents: nil))
        let file = try #require(FileHandle(forWritingAtPath: place))
        try file.truncate(atOffset: UInt64(Self.filmSize))
        try file.close()
        var facts = MediaFacts(.mp4)
        facts.duration = .seconds(21)
        let row = ObjectRow(
            id: film, facts: facts, contentType: "video/mp4", size: Self.filmSize, sha256: [1], name: nil, userID: nil,
            createdAt: clock.now, expiresAt: nil)
        try await database.write("film") { try $0.add(row) }
    }

    // MARK: Publishing

    private var publishing: Publishing {
        let addresses = ObjectAddresses(
            base: "https://patchbay.example.com", signer: SignedAddresses(vault: vault),
            own: ["tiktok": ["https://patchbay.example.com/v1/objects/"]])
        return Publishing(publishers: [TikTok()], vault: vault, ids: ids, addresses: addresses)
    }

    /// Accepts a publication of the film, or of what lies at an address. Its target.
    func publish(
        _ options: JSON = ["privacy_level": "PUBLIC_TO_EVERYONE"], url: String? = nil, at moment: Timestamp? = nil,
        by other: ConnectionRow? = nil
    ) async throws -> ID<TargetKind> {
        let media: JSON = [url.map { ["url": .string($0)] } ?? ["object_id": JSON(film)]]
        let (connection, now) = (other ?? connection, clock.now)
        let post = publishing.placed(
            try await database.read("post") { session in
                try session.post(
                    content: ["text": "Rye is back"], media: media, options: options, account: connection.openID)
            }, at: "tiktok")
        #expect(TikTok().problems(in: post) == [])
        let accepted = try publishing.accept(
            [Publishing.Wish(connection: connection, options: options, post: post)], content: ["text": "Rye is back"],
            media: media, publishAt: moment, by: "test", at: now)
        try await database.write("accept") { try accepted.keep(in: $0, at: now) }
        return try await database.read("target") { session in
            try #require(try session.targets(of: [accepted.publication.id]).first).id
        }
    }

    func target(_ id: ID<TargetKind>) async throws -> TargetRow {
        try #require(try await database.read("target") { try $0.target(id) })
    }

    /// Decides an unknown target as a person would.
    func decide(_ id: ID<TargetKind>, isThere: Bool) async throws {
        let (now, publishing) = (clock.now, publishing)
        if isThere {
            let act = publishing.found(id, postID: nil, at: now)
            return try await database.write("decide") { try act($0) }
        }
        let found = try await database.read("unknown") { session -> (TargetRow, WorkRow, Kit.Post)? in
            guard let target = try session.target(id), let work = try session.work(id.text),
                let publication = try session.publication(target.publication)
            else { return nil }
            return (target, work, try session.post(of: publication, for: target))
        }
        let (target, work, post) = try #require(found)
        let act = try publishing.again(target, post, work, at: now)
        try await database.write("decide") { try act($0) }
    }

    // MARK: Nodes

    /// A node with a session of its own. `mortal` may die at any of its steps.
    struct Node: Sendable {
        let id: ID<NodeKind>
        let worker: PublicationWorker
        let mortal: Mortal?
    }

    func node(_ mortal: Mortal? = nil, wire: (any StreamWire)? = nil) async throws -> Node {
        let (id, now) = (ids.make(NodeKind.self), clock.now)
        try await database.write("node") { try $0.openNode(id, host: "h", process: 1, program: "t", at: now) }
        let store: any Database = mortal.map { MortalDatabase(real: database, mortal: $0) } ?? database
        let time = clock.source
        let way: any StreamWire =
            mortal.map { MortalStreamWire(real: wire ?? platform, mortal: $0) } ?? wire ?? platform
        let traffic = Traffic(
            quotas: Quotas(
                book: QuotaBook([TikTok()]), limiter: Limiter(time: time, lastAlive: nil), keeper: nil, isShared: false,
                node: { id.text }, time: time, logger: .quiet),
            circuits: Circuits(database: database, time: time, logger: .quiet),
            recorder: CallRecorder(database: database, metrics: Metrics(), time: time, logger: .quiet), ids: ids,
            time: time)
        let caller = ConnectionCaller(
            platforms: ["tiktok": .init(TikTok(), base: PlatformInProcess.base)], traffic: traffic, wire: way,
            outside: way, objects: objects
        ) { [connections] id, refused in
            let held = try await connections.credential(of: ID(stored: id), refusing: refused)
            return Proxying.Credential(token: held.access, version: held.version)
        }
        let worker = PublicationWorker(
            publishing, caller: caller, database: store, vault: vault, ids: ids, time: time, bells: Bells(),
            logger: .quiet)
        return Node(id: id, worker: worker, mortal: mortal)
    }

    func die(_ node: Node) async throws {
        let now = clock.now
        try await database.write("revoke") { session in
            _ = try session.revoke(node.id, at: now)
            _ = try session.reclaim(100, deathsMax: 3, at: now)
        }
    }

    /// Claims what is due and runs it as a node does. Answers how many jobs there were.
    ///
    /// - Throws: `Mortal.Died`.
    @discardableResult
    func turn(_ node: Node) async throws -> Int {
        let now = clock.now
        try await database.set("promote", in: .work) { _ = try $0.promoteScheduled(100, at: now) }
        try await database.set("wake", in: .work) { _ = try $0.wakeForgottenLanes(100) }
        let jobs = try await database.set("claim", in: .work) {
            try $0.claim(10, pools: [0, 1, 2], for: node.id, at: now)
        }
        for job in jobs {
            let end: JobEnd?
            do {
                switch try await node.worker.run(job) {
                case .committed: end = nil
                case .done: end = .succeeded
                case .cancelled(let reason): end = .cancelled(reason: reason)
                }
            } catch JobInterruption.postponed(let until) {
                end = .postponed(to: until)
            } catch JobInterruption.later(let moment, let reason) {
                end = .retry(at: moment, error: reason)
            } catch is Fenced {
                end = nil
            }
            // What is dead notes no end either.
            try node.mortal?.checkLife()
            guard let end else { continue }
            let ended = EndedJob(job: job, end: end, at: clock.now)
            try await database.set("end", in: .work) { _ = try $0.complete([ended]) }
        }
        return jobs.count
    }

    /// Goes on until nothing is left to be done, or what is left waits for a person.
    func settle(_ node: Node) async throws {
        for _ in 0..<400 {
            try await turn(node)
            let next = try await database.read("next") { session in
                try session.row("SELECT min(due_at) FROM jobs WHERE kind = 'publication.target'") {
                    try $0.optionalTime()
                } ?? nil
            }
            guard let next else { return }
            clock.advance(to: next)
            platform.fetchAll()
        }
        Issue.record("it never came to rest")
    }

    /// The types of what followers were told of a target, oldest first.
    func told(_ id: ID<TargetKind>) async throws -> [String] {
        let publication = try await target(id).publication
        return try await database.read("told") { session in
            try session.rows("SELECT type FROM changes WHERE subject = \(publication) ORDER BY seq") { try $0.text() }
        }
    }
}

/// The simulated platform, asked without a network.
final class PlatformInProcess: StreamWire {
    static let base = "http://127.0.0.1:1"
    private static let redirect = "http://127.0.0.1:8484/callback/tiktok"
    private let keeper: Keeper
    private let tiktok = SimulatedTikTok()
    private let front: Front
    private let clock: SleepersClock
    private let state = Mutex((openID: "", calls: [String](), losing: Int?.none, isApplied: false))
    private let hook = Mutex<(number: Int, act: @Sendable () async throws -> Void)?>(nil)
    var openID: String { state.withLock { $0.openID } }

    init(_ clock: SleepersClock, settings: JSON) throws {
        self.clock = clock
        keeper = Keeper(seed: 7, clock: { clock.now })
        front = Front(platform: tiktok, keeper: keeper, switches: Switches())
        let furniture = Furniture(keys: ["client_key": "aw_test", "client_secret": "tt-demo-secret-0123456789"])
        keeper.turn { tiktok.furnish($0, furniture) }
        try set(settings)
    }

    func set(_ settings: JSON) throws {
        try keeper.turn { world throws(BadControl) in try world.set(settings, of: tiktok) }
    }
    func effect(_ name: String) -> Int64 { keeper.turn { $0.counters["tiktok " + name] ?? 0 } }
    /// What was asked, in order.
    var calls: [String] { state.withLock { $0.calls } }

    /// Something happens while one call, counted from now, is on its way: before the platform has it.
    func during(_ number: Int, _ act: @escaping @Sendable () async throws -> Void) {
        state.withLock { $0.calls = [] }
        hook.withLock { $0 = (number, act) }
    }

    /// The answer to one call, counted from now, gets lost.
    func loseAnswer(to number: Int, applied: Bool) {
        state.withLock { ($0.calls, $0.losing, $0.isApplied) = ([], number, applied) }
    }

    /// A person consents to everything. The access token.
    func connect() async throws -> String {
        let scopes = TikTokAuthorize.scopes.map(\.name).joined(separator: ",")
        let query =
            "client_key=aw_test&response_type=code&scope=\(Form.encoded(scopes))"
            + "&redirect_uri=\(Form.encoded(Self.redirect))&state=s"
        let consent = await ask("POST", TikTokAuthorize.path, query, [], Array("account=0".utf8))
        let location = consent?.headers["Location"] ?? ""
        let back = Form.parse(Array((location.split(separator: "?").last ?? "").utf8))
        let form =
            "client_key=aw_test&client_secret=tt-demo-secret-0123456789&grant_type=authorization_code&code="
            + Form.encoded(back["code"]?.text ?? "") + "&redirect_uri=" + Form.encoded(Self.redirect)
        let answer = await ask(
            "POST", TikTokTokenEndpoint.token, "",
            [Field("Content-Type", "application/x-www-form-urlencoded")], Array(form.utf8))
        let json = try JSON.parse(answer?.body ?? [])
        state.withLock { $0.openID = json["open_id"]?.text ?? "" }
        return json["access_token"]?.text ?? ""
    }

    private func ask(
        _ method: String, _ path: String, _ query: String, _ headers: [Field], _ body: [UInt8], host: String = "api",
        count: Int64? = nil
    ) async -> SandboxAnswer? {
        _ = Clock(keeper: keeper, platforms: [tiktok]).advance(0)
        var request = SandboxRequest(
            method: method, path: path, query: query, headers: [Field("Host", "127.0.0.1:1")] + headers, body: body,
            base: Self.base, host: host)
        if case .digested(let digest, _) = front.intake(request) {
            var upload = Upload(from: digest)
            // Of what is sent only where it belongs is looked at.
            upload.digest.update(Array((headers["Content-Range"] ?? "").utf8))
            upload.count = count ?? 0
            request.upload = upload
        }
        return await front.answer(request)
    }

    /// Whatever it has taken is through.
    func finish() {
        fetchAll()
        clock.advance(.minutes(5))
        _ = Clock(keeper: keeper, platforms: [tiktok]).advance(0)
    }

    /// What lies elsewhere is fetched, once: a video.
    func fetchAll() {
        keeper.turn { world in
            for post in world.objects(of: TikTokPost.kind).map(TikTokPost.init)
            where post.status == "PROCESSING_DOWNLOAD" && post.json["hash"] == nil {
                tiktok.fetched(
                    post.id, [FetchedFile(status: 200, type: "video/mp4", count: 10, hash: "h")], in: world)
            }
        }
    }

    // MARK: The wire

    private struct Lost: Error {}

    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        try request.permit?.check()
        let url = try OutsideURL(request.url)
        let parts = url.target.split(separator: "?", maxSplits: 1).map(String.init)
        let path = parts.first ?? "/"
        let (isLost, isApplied) = state.withLock { state -> (Bool, Bool) in
            state.calls.append("\(request.method.rawValue) \(path)")
            return (state.losing == state.calls.count - 1, state.isApplied)
        }
        let number = calls.count - 1
        if let act = hook.withLock({ hook in hook?.number == number ? hook?.act : nil }) { try await act() }
        if isLost, !isApplied { throw Lost() }
        var (body, count): ([UInt8], Int64?) = ([], nil)
        switch request.body {
        case .none: break
        case .bytes(let bytes): body = bytes
        case .stream(_, let length): count = length
        }
        let authorization =
            request.authorization.isEmpty
            ? [] : [Field("Authorization", request.authorization.reveal { String(decoding: $0, as: UTF8.self) })]
        let answer = await ask(
            request.method.rawValue, path, parts.count > 1 ? parts[1] : "", request.headers + authorization, body,
            host: path == TikTokUpload.path ? "upload" : "api", count: count)
        guard let answer, !isLost else { throw Lost() }
        return StreamAnswer(status: answer.status, headers: answer.headers) { take in
            try await take(ByteBuffer(bytes: answer.body))
        }
    }
}

/// The way to the platform as a mortal process sees it.
struct MortalStreamWire: StreamWire {
    let real: any StreamWire
    let mortal: Mortal

    func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
        try mortal.pass()
        let answer = try await real.send(request, within: deadline)
        try mortal.pass()
        return answer
    }
}

extension PublishRig {
    /// Reviews about a target that wait for a person.
    func openReviews(_ target: ID<TargetKind>) async throws -> Int {
        try await database.read("reviews") { session in
            try session.rows("SELECT id FROM reviews WHERE state <> 'decided' AND subject = \(target)") {
                try $0.text()
            }.count
        }
    }
    /// Rows of jobs and saved steps that are there still.
    func leftOver(_ target: ID<TargetKind>) async throws -> Int {
        try await database.read("left") { session in
            let works = try session.rows("SELECT id FROM works WHERE id = \(target)") { try $0.text() }
            let jobs = try session.rows("SELECT id FROM jobs WHERE unique_key = \(Publishing.key(of: target))") {
                try $0.text()
            }
            return works.count + jobs.count
        }
    }
}
