import Engine
import Foundation
import Kit
import Server
import Store

/// Starts the demo's processes, starts them again where one dies, stops them in their order. Guards which runs and
/// what has happened.
actor Supervisor {
    /// The demo's processes; each is stopped after those before it: first nothing new comes, then the server ends what
    /// it has begun, and its application takes the last of it.
    enum Role: String, CaseIterable, Sendable { case sandbox, server, application }

    /// Where everything is.
    struct Places: Sendable {
        let server: String
        let application: String
        let supervisor: String
        var sandbox = ""
        var stripe = ""
        var tiktok = ""
        var webhooks: String { server + "/webhooks/stripe" }
    }

    let home: DemoHome
    let terminal: Terminal
    let began: ContinuousClock.Instant
    let settings: Settings
    let token: String
    private let program: String
    private let ports: DemoPorts
    private let supervisorPort: Int
    private(set) var places: Places
    private var children: [Role: Child] = [:]
    private(set) var isStopping = false
    private var serverDiedAt: ContinuousClock.Instant?
    private var startedAt: [Role: ContinuousClock.Instant] = [:]
    private var earlyEnds = 0

    /// What lives so long has started well.
    private static let longEnough = Duration.seconds(20)
    private static let earlyEndsMax = 5

    var facts: DemoFacts
    var isKilling = false
    var witness: Witness?
    var database: (any Database)?
    var key = Secret("")
    var endpoint = ""
    /// Moments of kills that were asked for.
    let kills: AsyncStream<Duration>
    let kill: AsyncStream<Duration>.Continuation

    init(
        _ home: DemoHome, port: Int?, program: String, terminal: Terminal, began: ContinuousClock.Instant
    ) throws {
        self.home = home
        self.program = program
        self.terminal = terminal
        self.began = began
        ports = try DemoPorts(home, wanted: port)
        supervisorPort = try FreePort.first(from: 0)
        let ids = Identifiers(now: { Timestamp.system })
        token = String(decoding: Hex.encode(ids.bytes(16)), as: UTF8.self)
        places = Places(
            server: "http://127.0.0.1:\(ports.server)", application: "http://127.0.0.1:\(ports.application)",
            supervisor: "http://127.0.0.1:\(supervisorPort)")
        settings = try Self.settings(home, ports)
        facts =
            home.read("facts.json").flatMap { try? JSONDecoder().decode(DemoFacts.self, from: Data($0.utf8)) }
            ?? DemoFacts()  // None yet, or of an older demo.
        (kills, kill) = AsyncStream.makeStream()
        home.sign("process \(ProcessInfo.processInfo.processIdentifier), \(places.server)")
        ports.tell(terminal)
    }

    /// Everything, until it is cancelled.
    func live() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let control = control
            group.addTask { try await control.run() }
            try await start()
            for role in Role.allCases { group.addTask { try await self.keep(role) } }
            group.addTask { await self.beginStory() }
            group.addTask { await self.killOnDemand() }
            group.addTask { await self.watch() }
            group.addTask { await Narrator(supervisor: self).follow() }
            while try await group.next() != nil {}  // The first fault ends it; waiting for all would hide it.
        }
    }

    private var control: DemoControl {
        DemoControl(port: supervisorPort, token: token) { [self] request in await answer(request) }
    }

    // MARK: Starting

    private func start() async throws {
        try await startSandbox()
        let database = try Instance.open(settings.database, owner: false, logger: LogOutput.logger(settings.log))
        self.database = database
        key = try await workingKey(database)
        try await startServer()
        try await furnishEndpoint()
        try startApplication()
        say(try await greeting(database))
    }

    private func startSandbox() async throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Fault("No pipe can be made.", code: 1) }
        let (output, input) = (ends[0], ends[1])
        defer { close(output) }
        do {
            defer { close(input) }
            children[.sandbox] = try child(
                .sandbox,
                [
                    "sandbox", "--file", home.file("sandbox.journal"), "--port", "0", "--until-input-ends",
                    "--webhook-url", places.webhooks, "--webhook-secret", home.webhookSecret, "--secret-key",
                    home.stripeKey, "--webhook-url", "tiktok=\(places.server)/webhooks/tiktok", "--key",
                    "tiktok.client_key=\(home.tiktok.key)", "--key", "tiktok.client_secret=\(home.tiktok.secret)",
                    "--story", "0",
                ], output: input)
        }
        guard let json = try? JSON.parse(await Self.firstLine(of: output)), let control = json["control"]?.text,
            let stripe = json["stripe", "base_url"]?.text, let tiktok = json["tiktok", "base_url"]?.text
        else { throw ended(.sandbox) }
        places.sandbox = control
        places.stripe = stripe
        places.tiktok = tiktok
        witness = Witness(control: control, webhookURL: places.webhooks)
    }

    /// Up to the line's end, or the end of everything.
    private static func firstLine(of output: Int32) async -> String {
        await withCheckedContinuation { continuation in
            Thread {
                var (line, byte) = ([UInt8](), UInt8(0))
                while read(output, &byte, 1) == 1, byte != UInt8(ascii: "\n"), line.count < 1 << 16 {
                    line.append(byte)
                }
                continuation.resume(returning: String(decoding: line, as: UTF8.self))
            }.start()
        }
    }

    private func startServer() async throws {
        let server = try child(.server, ["serve"])
        children[.server] = server
        for _ in 0..<3000 {
            if let answer = try? await Loopback.send("GET", places.server + "/livez"), answer.status == 200 { return }
            guard server.status == nil, !isStopping else { throw ended(.server) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw ended(.server)
    }

    /// The same for one that has served before: whoever kills it once more before it answers does not end the demo,
    /// until that has been so too often.
    private func startServerAgain() async throws {
        while true {
            do { return try await startServer() } catch {
                guard !isStopping, let status = children[.server]?.status else { throw error }
                try await noteEnd(of: .server, status)
            }
        }
    }

    private func startApplication() throws {
        children[.application] = try child(
            .application,
            [
                "demo", "application", "--at", String(ports.application), "--home", home.path, "--sandbox",
                places.sandbox, "--dashboard", places.server,
            ])
    }

    private func child(_ role: Role, _ arguments: [String], output: Int32? = nil) throws -> Child {
        guard !isStopping else { throw CancellationError() }
        let own = ProcessInfo.processInfo.environment
        var environment = ["PATH", "HOME", "TZ", "LANG", "SWIFT_BACKTRACE", "LD_LIBRARY_PATH"].reduce(
            into: [String: String]()
        ) { $0[$1] = own[$1] }
        startedAt[role] = .now
        if role == .server { environment.merge(serverSettings) { $1 } }
        return try Child(
            role.rawValue, program, arguments, environment: environment, log: home.log(role.rawValue), output: output)
    }

    private func ended(_ role: Role) -> Fault {
        let log = home.lastLines(of: role.rawValue)
        return Fault(
            "The \(role.rawValue) does not run. The end of \(home.file(role.rawValue + ".log")):\n\(log)", code: 1)
    }

    private var serverSettings: [String: String] {
        Self.settingsValues(home, ports).merging([
            "STRIPE_BASE_URL": places.stripe, "STRIPE_SECRET_KEY": home.stripeKey,
            "TIKTOK_BASE_URL": places.tiktok, "TIKTOK_CLIENT_KEY": home.tiktok.key,
            "TIKTOK_CLIENT_SECRET": home.tiktok.secret, "PATCHBAY_APPLICATION_NAME": "Rye, a bakery",
            "PATCHBAY_SANDBOX_URL": places.sandbox, "PATCHBAY_DEMO_CONTROL": places.supervisor,
            "PATCHBAY_DEMO_TOKEN": token,
        ]) { $1 }
    }

    private static func settingsValues(_ home: DemoHome, _ ports: DemoPorts) -> [String: String] {
        [
            "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": "sqlite:\(home.file("patchbay.sqlite"))",
            "PATCHBAY_LISTEN": "127.0.0.1:\(ports.server)", "PATCHBAY_ENCRYPTION_KEYS": home.encryptionKey,
            "STRIPE_WEBHOOK_SECRET": home.webhookSecret, "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8",
            "PATCHBAY_LOG": "text,notice",
        ]
    }

    private static func settings(_ home: DemoHome, _ ports: DemoPorts) throws -> Settings {
        var values = settingsValues(home, ports)
        values["PATCHBAY_LOG"] = "text,error"
        do { return try Settings.load(flags: values, environment: [:], isDemo: true) } catch {
            throw Fault("\(error)", code: 1)
        }
    }

    // MARK: Keeping

    /// Starts a process again each time that it ends.
    private func keep(_ role: Role) async throws {
        while !isStopping, let child = children[role] {
            let status = await child.ended()
            guard !isStopping else { return }
            let isAsked = role == .server && isKilling
            if role == .server { serverDiedAt = .now }
            if !isAsked { try await noteEnd(of: role, status) }
            switch role {
            case .server: try await startServerAgain()
            case .application: try startApplication()
            case .sandbox:
                try await startSandbox()
                await beginStory()
                // Its port is another: the others are told by a start of their own.
                children[.server]?.signal(SIGTERM)
                children[.application]?.signal(SIGTERM)
            }
            if role == .server { await serverIsBack(wasKilled: isAsked) }
        }
    }

    /// A sandbox that ends while it is told goes on with what its file holds.
    private func beginStory() async {
        do { try await tellStory() } catch {
            if !isStopping { terminal.tell(.note, "The story waits where it was: \(error)") }
        }
    }

    private func noteEnd(of role: Role, _ status: Int32) async throws {
        if let start = startedAt[role], ContinuousClock.now - start > Self.longEnough { earlyEnds = 0 }
        earlyEnds += 1
        guard earlyEnds <= Self.earlyEndsMax else { throw ended(role) }
        let how = status < 0 ? "by signal \(-status)" : "with \(status)"
        terminal.tell(.failed, "The \(role.rawValue) ended \(how); it is started again.")
        try await Task.sleep(for: .milliseconds(200))
    }

    private func serverIsBack(wasKilled: Bool) async {
        let down = serverDiedAt.map { ContinuousClock.now - $0 } ?? .zero
        guard wasKilled else { return }
        await compare(down: down)
        isKilling = false
    }

    func signal(_ role: Role, _ number: Int32) { children[role]?.signal(number) }

    // MARK: Stopping

    /// In order, each with its time; who does not end within it is ended.
    func stop() async {
        guard !isStopping else { return }
        isStopping = true
        terminal.tell(.waiting, "stopping")
        await children[.sandbox]?.stop(within: .seconds(4))
        await children[.server]?.stop(within: .seconds(30))
        await children[.application]?.stop(within: .seconds(4))
        await database?.close()
    }

    /// At once: somebody is in a hurry. What was acknowledged is kept all the same.
    func killAll() {
        for child in children.values { child.signal(SIGKILL) }
    }

    func keepFacts() {
        guard let data = try? JSONEncoder().encode(facts) else { return }  // Plain values: it cannot fail.
        do { try home.write("facts.json", String(decoding: data, as: UTF8.self)) } catch {
            terminal.tell(.failed, "\(error)")
        }
    }
}

/// The demo's two ports, the same at every start as long as nobody else has them.
struct DemoPorts: Sendable {
    let server: Int
    let application: Int
    private let wanted: Int

    /// - Parameter wanted: the server's, where somebody named one.
    init(_ home: DemoHome, wanted: Int?) throws {
        let kept = home.read("ports").map { $0.split(separator: " ").compactMap { Int($0) } } ?? []
        self.wanted = wanted ?? kept.first ?? 8484
        server = try FreePort.reserved(from: self.wanted)
        application = try FreePort.reserved(from: server == kept.first ? kept.last ?? server + 1 : server + 1)
        try home.write("ports", "\(server) \(application)")
    }

    func tell(_ terminal: Terminal) {
        if server != wanted { terminal.tell(.note, "Port \(wanted) is taken; this demo takes \(server).") }
    }
}
