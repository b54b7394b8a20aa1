import ArgumentParser
import Engine
import Foundation
import Kit
import Server
import UnixSignals

/// Passes on to this machine what a shared server receives.
struct Listen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Passes on to an application on this machine what a server receives, from where it stopped.",
        discussion: """
            Deliveries are passed on byte for byte with the headers that they came with; the signature is made anew in \
            the platform's own scheme, with a secret of this machine (--print-secret). --what events passes on \
            Patchbay's own events instead, signed as Standard Webhooks. One at a time, in order; what the application \
            does not answer with 2xx is sent again. The first start begins with what comes; later ones go on where the \
            last one stopped. The key needs changes:read and deliveries:read.

            Examples:
              patchbay listen --forward-to http://localhost:3000/webhooks --types 'invoice.*'
              patchbay listen --forward-to localhost:3000/webhooks/{provider} --since 2h
              patchbay listen --print-secret
            """)

    /// What is passed on.
    enum What: String, ExpressibleByArgument, CaseIterable { case deliveries, events }

    @OptionGroup var server: ServerOptions
    @Option(help: "Where to; {provider} in it becomes the platform's id.") var forwardTo: String?
    @Option(help: "deliveries, as the platforms sent them, or events, as Patchbay sends them.")
    var what = What.deliveries
    @Option(help: "Deliveries of one platform only.") var provider: String?
    @Option(help: "Types with commas between, such as invoice.*,charge.refunded.") var types: String?
    @Option(help: "From a past moment: 2h, 3d, a time with its zone, or an event's id.") var since: String?
    @Flag(help: "From the first thing that the server still keeps.") var fromStart = false
    @Option(help: "Tries for one thing before it is left; as many as it takes unless said.") var attempts: Int?
    @Flag(help: "Prints the secret that is signed with, and ends.") var printSecret = false
    @Flag(help: "Forgets where it stopped, and ends.") var forget = false

    func validate() throws {
        guard printSecret || forwardTo != nil else {
            throw ValidationError("Say where to: --forward-to http://localhost:3000/webhooks")
        }
        guard since == nil || !fromStart else { throw ValidationError("--since and --from-start exclude each other.") }
        guard what == .deliveries || provider == nil else {
            throw ValidationError("--provider chooses among deliveries; events have --types, such as 'user.*'.")
        }
        if let attempts, attempts < 1 { throw ValidationError("--attempts is 1 or more.") }
        if let provider, !Signing.providers.contains(provider) {
            throw ValidationError(
                "\(provider) sends no webhooks here. One of: \(Signing.providers.joined(separator: ", "))")
        }
        let patterns = (types ?? "").split(separator: ",").map(String.init)
        if what == .events, let problem = EventPatterns.problem(with: patterns) { throw ValidationError(problem) }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let signing = try LocalSigning(in: try ListenState.folder(environment))
        if printSecret { return say(signing.secret) }
        let application = try LocalApplication(forwardTo ?? "")
        let state = try ListenState(
            server: try server.base, forwardTo: application.address, what: what.rawValue, environment: environment)
        if forget {
            let wasKept = try state.forget()
            return say(wasKept ? "Forgotten. The next start begins with what comes." : "Nothing was kept.")
        }
        try state.load()
        let client = try server.server()
        let start = try await ListenStart(server: client, state: state).position(since: since, fromStart: fromStart)
        try state.save(start)
        note("Listening at \(client.base), passing on to \(application.address). Ctrl-C ends it, and it goes on here.")
        note("The application verifies with: \(signing.secret)")
        let listener = Listener(
            server: client,
            source: ParcelSource(
                server: client, signing: signing, isOfDeliveries: what == .deliveries, provider: provider,
                types: TypeGlobs(types)),
            application: application, state: state, attemptsMax: attempts, isJSON: server.json)
        try await Self.untilSignal { try await listener.run(after: start) }
        note("Stopped; the next start goes on from here.")
    }

    /// Runs until the work ends or the process is told to.
    private static func untilSignal(_ work: @escaping @Sendable () async throws -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await work() } catch is CancellationError {}
            }
            group.addTask { for await _ in signals { return } }
            defer { group.cancelAll() }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}

/// Where in the feed a `listen` begins.
struct ListenStart {
    let server: APIClient
    let state: ListenState

    /// The position behind which to begin. Says on standard error how much there is to catch up.
    func position(since: String?, fromStart: Bool) async throws -> Int64 {
        if fromStart { return try await position(of: [("since", Timestamp.zero.rfc3339)]) }
        if let since { return try await position(of: try await query(since)) }
        guard let kept = state.position else { return try await position(of: [("since", Self.farAhead)]) }
        do {
            let page = try await server.send(
                "GET", "/v1/changes", query: [("after", String(kept)), ("limit", "1")])
            let head = page["head"]?.integer ?? kept
            guard head >= kept else {
                note("The server's feed has begun anew since the last time; starting at its beginning.")
                return 0
            }
            if head > kept { note("\(head - kept) changes since the last time.") }
            return kept
        } catch let fault as Fault where fault.problem == "position_gone" {
            throw Fault(
                "The server no longer keeps what came since the last time. Go on with --from-start, --since 1h, "
                    + "or from now on after --forget.", code: 4)
        }
    }

    /// Nothing was told at such a time: the answer is the feed's head.
    private static let farAhead = "9999-01-01T00:00:00Z"

    private func position(of query: [(String, String?)]) async throws -> Int64 {
        let page = try await server.send("GET", "/v1/changes", query: query + [("limit", "1")])
        let first = page["data"]?.elements?.first?["position"]?.integer
        return first.map { $0 - 1 } ?? page["head"]?.integer ?? 0
    }

    /// A past moment in the words of a person.
    private func query(_ since: String) async throws -> [(String, String?)] {
        if let age = Self.age(since) { return [("since", (Timestamp.system - age).rfc3339)] }
        if let moment = Timestamp(rfc3339: since) { return [("since", moment.rfc3339)] }
        if ID<EventKind>(since) != nil { return [("since_event", since)] }
        let events = try await server.send("GET", "/v1/events", query: [("provider_event_id", since)])
        guard let id = events["data"]?.elements?.last?["id"]?.text else {
            throw Fault("--since \(since) is no age such as 2h, no time with a zone, and no event here.", code: 2)
        }
        return [("since_event", id)]
    }

    /// `90s`, `30m`, `2h`, `3d`.
    static func age(_ text: String) -> Duration? {
        guard let number = Int64(text.dropLast()), (0...1_000_000).contains(number) else { return nil }
        return switch text.last {
        case "s": .seconds(number)
        case "m": .minutes(number)
        case "h": .hours(number)
        case "d": .days(number)
        default: nil
        }
    }
}
