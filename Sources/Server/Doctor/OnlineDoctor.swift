import Engine
import Kit
import Store

/// Asks the platforms, and this server by its public address: whether hosts answer, keys and tokens are accepted,
/// clocks agree, permissions were granted and webhooks are registered. Changes nothing anywhere.
///
/// All questions are on their way side by side, and each ends within a bound, so that a machine without a network is
/// told so within seconds.
struct OnlineDoctor: Sendable {
    /// Of each platform so many connections are asked for.
    private static let connectionsAsked = 3
    /// Connections whose permissions are compared.
    private static let connectionsCompared = 1000
    /// A question with its wait for quotas, whatever the network does.
    private static let patience = Duration.seconds(15)

    let settings: Settings
    let prober: Prober
    let wire: any Wire
    let database: (any Database)?
    let vault: Vault
    let ids: Identifiers
    let now: @Sendable () -> Timestamp

    /// A probe that is to be sent, and what its findings are called.
    private struct Asked: Sendable {
        let name: String
        let platform: any Probed
        let probe: OnlineProbe
        let question: Prober.Question
        /// Whose token it is sent with; empty for the platform's own key.
        var whose = ""
    }
    struct Clock: Sendable {
        let host: String
        let skew: Duration
    }

    func examine() async -> [Finding] {
        let connections = await self.connections()
        var asked: [Asked] = []
        var findings: [Finding] = []
        for platform in Providers.all.compactMap({ $0 as? any Probed }) {
            for probe in platform.probes {
                asked += await questions(probe, of: platform, connections.rows, &findings)
            }
        }
        async let address = AddressLook(settings: settings, wire: wire, database: database, ids: ids, now: now)
            .finding()
        let heard = await hear(asked)
        for (asked, heard) in zip(asked, heard) { findings += await report(asked, heard) }
        if asked.isEmpty {
            findings.append(
                Finding("online.platforms", .off, "No platform can be asked: no key and no app is set."))
        }
        let clocks = zip(asked, heard).compactMap { asked, heard in
            heard.skew.map { Clock(host: OnlineRules.host(asked.question.address), skew: $0) }
        }
        findings.append(OnlineRules.clock(clocks, tolerance: tolerance))
        return findings + connections.findings + OnlineRules.scopes(connections.rows) + [await address]
    }

    /// Whether a platform accepts the token of one connection, by a harmless call; nil where it has none.
    func check(_ id: ID<ConnectionKind>) async -> Finding? {
        guard let row = try? await database?.read("check_connection", { try $0.connection(id) }) else { return nil }
        for platform in Providers.all.compactMap({ $0 as? any Probed }) where platform.about.id == row.provider {
            for probe in platform.probes {
                guard case .account = probe.call else { continue }
                var findings: [Finding] = []
                let asked = await questions(probe, of: platform, [row], &findings)
                for (asked, heard) in zip(asked, await hear(asked)) { findings += await report(asked, heard) }
                return findings.first
            }
        }
        return nil
    }

    // MARK: What is asked

    private func connections() async -> (rows: [ConnectionRow], findings: [Finding]) {
        guard let database else { return ([], []) }
        do {
            var rows: [ConnectionRow] = []
            var last: String?
            while rows.count < Self.connectionsCompared {
                let page = ListPage(limit: 100, after: last)
                let found = try await database.read("doctor_connections") {
                    try $0.connections(ConnectionFilter(), page)
                }
                // One more than asked for, where there is more.
                rows += found.prefix(100)
                guard found.count > 100 else { break }
                last = rows.last?.id.text
            }
            return (rows.filter { $0.state.isAlive }, [])
        } catch {
            return ([], [Finding("online.connections", .warning, "Connections cannot be read: \(error)")])
        }
    }

    private func questions(
        _ probe: OnlineProbe, of platform: any Probed, _ connections: [ConnectionRow], _ findings: inout [Finding]
    ) async -> [Asked] {
        let (id, name) = (platform.about.id, "online.\(platform.about.id).\(probe.name)")
        switch probe.call {
        case .key(let outgoing):
            guard let source = platform as? any Callable, let access = settings.access(to: id) else { return [] }
            let question = Prober.Question(
                outgoing, to: source.about, at: access.address ?? source.api.address, bearing: access.key
            ) { source.failure(in: $0, at: $1) }
            return [Asked(name: name, platform: platform, probe: probe, question: question)]
        case .client:
            guard let source = platform as? any TokenGiving, let credentials = client(id) else { return [] }
            return [
                Asked(
                    name: name, platform: platform, probe: probe,
                    question: Prober.Question(source, as: credentials))
            ]
        case .account(let outgoing):
            guard let source = platform as? any AccountCallable, let database else { return [] }
            var asked: [Asked] = []
            for row in connections.filter({ $0.provider == id }).prefix(Self.connectionsAsked) {
                let token: Secret?
                do {
                    token = try await StoredTokens(database: database, vault: vault).token(of: row.id, at: now())
                } catch {
                    findings.append(Finding(name, .failed, "\(row.id): its token cannot be opened. \(error)"))
                    continue
                }
                guard let token else {
                    findings.append(Finding(name, .off, "\(row.id) is not asked for: its token is due to be renewed."))
                    continue
                }
                var question = Prober.Question(
                    outgoing, to: source.about, at: settings.clients[id]?.address ?? source.accountHost, bearing: token
                ) { source.failure(in: $0, at: $1) }
                (question.connection, question.userID) = (row.id, row.userID)
                asked.append(
                    Asked(name: name, platform: platform, probe: probe, question: question, whose: "\(row.id): "))
            }
            return asked
        }
    }

    /// The app of the settings: through which accounts are connected, or which asks about webhooks.
    private func client(_ id: String) -> ClientCredentials? {
        if let client = settings.clients[id], let key = client.id, let secret = client.secret {
            return ClientCredentials(id: key, secret: secret, address: client.address)
        }
        guard case .asked(let proof)? = settings.webhookRoutes[id]?.scheme.verification else { return nil }
        return proof.client.map { ClientCredentials(id: $0.id, secret: $0.secret, address: proof.address) }
    }

    /// The smallest age at which a webhook that is on is refused.
    private var tolerance: Duration {
        settings.webhookSecrets.filter { !$0.value.isEmpty }.keys
            .compactMap { settings.webhookScheme(of: $0)?.tolerance.map { min($0.past, $0.future) } }.min()
            ?? .minutes(5)
    }

    // MARK: What is heard

    /// Answers in the questions' order; one that takes too long is heard of as a timeout.
    private func hear(_ asked: [Asked]) async -> [Prober.Heard] {
        await withTaskGroup(of: (Int, Prober.Heard).self) { group in
            for (number, asked) in asked.enumerated() {
                group.addTask { (number, await bounded { await prober.ask(asked.question) }) }
            }
            var heard = Array(repeating: Prober.Heard(), count: asked.count)
            for await (number, one) in group { heard[number] = one }
            return heard
        }
    }

    private func bounded(_ ask: @escaping @Sendable () async -> Prober.Heard) async -> Prober.Heard {
        await withTaskGroup(of: Prober.Heard.self) { group in
            group.addTask { await ask() }
            group.addTask {
                try? await Task.sleep(for: Self.patience)  // Cancelled: the answer was there.
                var late = Prober.Heard()
                late.fault = .timeout
                return late
            }
            defer { group.cancelAll() }
            return await group.next() ?? Prober.Heard()
        }
    }

    private func report(_ asked: Asked, _ heard: Prober.Heard) async -> [Finding] {
        if let fault = heard.fault {
            return [await OnlineRules.unreached(asked.name, asked.question.address, fault, at: now())]
        }
        if let hold = heard.hold {
            return [Finding(asked.name, .warning, "\(asked.whose)Not asked now. \(hold.reason)")]
        }
        let id = asked.platform.about.id
        let context = OnlineProbe.Context(
            webhookAddress: "\(SettingsRules.base(settings))/webhooks/\(id)", isLive: settings.mode == .live,
            key: settings.access(to: id)?.key)
        if let answer = heard.answer, let notes = asked.probe.read(answer, heard.failure, context) {
            return notes.map { note in
                let verdict: Finding.Verdict =
                    switch note.verdict {
                    case .ok: .ok
                    case .warning: .warning
                    case .failed: .failed
                    }
                return Finding(asked.name, verdict, asked.whose + note.sentence, advice: note.advice)
            }
        }
        let name = asked.platform.about.name
        guard let failure = heard.failure else {
            return [Finding(asked.name, .ok, "\(asked.whose)\(name) answers.")]
        }
        let code = failure.code.map { " Its code: \($0)." } ?? ""
        return [
            Finding(
                asked.name, failure.passes ? .warning : .failed, "\(asked.whose)\(failure.message)\(code)",
                advice: failure.passes ? nil : asked.probe.fix)
        ]
    }
}
