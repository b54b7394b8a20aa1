public import Kit
public import Logging
public import Store
import Synchronization

/// Keeps the bodies of calls where somebody has asked for it, for a time: redacted first, sealed then, never more than
/// so many.
public final class Captures: Sendable {
    /// A capture lasts so long unless it is said otherwise, and never longer.
    public static let (usual, longest) = (Duration.minutes(15), Duration.hours(4))
    /// So many calls unless it is said otherwise, and never more.
    public static let (usualCalls, callsMax) = (200, 1000)
    /// Of a body, in bytes. Of what is longer only its length is kept: cut off, it could not be looked through.
    public static let bodyMax = 64 << 10
    /// One that began on another node is seen so late at most.
    private static let readEvery = Duration.seconds(5)

    private struct State {
        var open: [CaptureRow] = []
        /// By the uptime.
        var readAt: Duration?
    }
    private let state = Mutex(State())
    private let database: any Database
    private let vault: Vault
    private let names: [String: [String]]
    private let secrets: [Secret]
    private let time: TimeSource
    private let logger: Logger

    /// - Parameters:
    ///   - names: by platform, of fields under which it sends secrets.
    ///   - secrets: of this server's own settings.
    public init(
        names: [String: [String]], secrets: [Secret], database: any Database, vault: Vault, time: TimeSource,
        logger: Logger
    ) {
        self.names = names
        self.secrets = secrets
        self.database = database
        self.vault = vault
        self.time = time
        self.logger = logger
    }

    /// Learns what is open: after one began or ended here, and every few seconds while calls are made.
    public func read() async {
        let now = time.now()
        state.withLock { [time] in $0.readAt = time.uptime() }
        do {
            let open = try await database.read("open_captures") { try $0.openCaptures(at: now) }
            state.withLock { $0.open = open }
        } catch { logger.warning("capture.not_read", metadata: ["problem": "\(error)"]) }
    }

    /// What a call that leaves now belongs to; nil where nobody has asked.
    func open(for exchange: Traffic.Exchange) async -> ID<CaptureKind>? {
        guard exchange.content != nil else { return nil }
        let uptime = time.uptime()
        let isDue = state.withLock { state in state.readAt.map { uptime - $0 >= Self.readEvery } ?? true }
        if isDue { await read() }
        let now = time.now()
        return state.withLock { state in
            state.open.first { capture in
                capture.endsAt > now && capture.provider == exchange.provider.id
                    && (capture.connection == nil || capture.connection?.text == exchange.context.connection)
            }?.id
        }
    }

    /// A call as it may be kept; nil where that cannot be made sure.
    func captured(
        _ exchange: Traffic.Exchange, _ outcome: Traffic.Outcome, of call: ID<CallKind>, in capture: ID<CaptureKind>
    ) async -> CapturedCall? {
        guard let content = exchange.content else { return nil }
        do {
            let redaction = Redaction(
                names: names[exchange.provider.id] ?? [],
                known: try await known(to: exchange.context) + secrets + content.authorization.parts)
            let kept = Self.kept(content, outcome, redaction).bytes
            guard !redaction.finds(in: kept) else {
                logger.error("capture.withheld", metadata: ["call_id": "\(call)"])
                return nil
            }
            let sealed = try vault.seal(Secret(kept), in: Self.place(of: call))
            return CapturedCall(capture: capture, sealed: sealed.bytes, keyID: sealed.keyID)
        } catch {
            logger.warning("capture.not_kept", metadata: ["call_id": "\(call)", "problem": "\(error)"])
            return nil
        }
    }

    /// What was kept of a call: `request` and `answer`, each with its headers and its body; nil for nothing.
    public func captured(_ call: ID<CallKind>) async throws -> JSON? {
        guard let row = try await database.read("captured_call", { try $0.captured(call) }) else { return nil }
        return try vault.open(Sealed(bytes: row.sealed, keyID: row.keyID), in: Self.place(of: call)).reveal {
            try JSON.parse($0)
        }
    }

    private static func place(of call: ID<CallKind>) -> Vault.Place {
        Vault.Place(table: SealedTable.captures.rawValue, row: call.text)
    }

    /// Tokens of the connection, and the secrets of its app.
    private func known(to context: CallContext) async throws -> [Secret] {
        guard let text = context.connection else { return [] }
        let (id, now) = (ID<ConnectionKind>(stored: text), time.now())
        let (credential, app) = try await database.read("captured_secrets") { session in
            let app = try session.connection(id).map {
                try session.secrets(of: $0.app, purpose: ConnectionApps.purpose, at: now)
            }
            return (try session.credential(of: id), app ?? [])
        }
        let tokens = try credential.map { try vault.open($0) }
        let clients = try app.map { row in
            try vault.open(Sealed(bytes: row.sealed, keyID: row.keyID), in: ConnectionApps.place(row.id))
        }
        return [tokens?.access, tokens?.refresh].compactMap(\.self) + clients
    }

    // MARK: What is kept

    private static func kept(_ content: Traffic.Content, _ outcome: Traffic.Outcome, _ redaction: Redaction) -> JSON {
        var request: [JSONMember] = [
            .init("url", .string(redaction.address(content.url))),
            .init("headers", headers(content.headers, redaction)),
        ]
        if content.body.isEmpty, let passed = outcome.passed, passed.value > 0 {
            request.append(.init("body", leftOut(Int(clamping: passed.value), passed.head, "passed_on")))
        } else {
            request.append(.init("body", body(content.body, content.headers, redaction)))
        }
        guard let answer = outcome.answer else { return ["request": .object(request), "answer": .null] }
        let isCut = outcome.bytesReceived > Int64(answer.body.count)
        return [
            "request": .object(request),
            "answer": [
                "headers": headers(answer.headers, redaction),
                "body": isCut
                    ? leftOut(Int(clamping: outcome.bytesReceived), Array(answer.body.prefix(32)), "too_large")
                    : body(answer.body, answer.headers, redaction),
            ],
        ]
    }

    private static func headers(_ headers: [Field], _ redaction: Redaction) -> JSON {
        .array(redaction.headers(headers).map { ["name": .string($0.name), "value": .string($0.value)] })
    }

    /// A body that can be looked through whole, or its length and what its first bytes say.
    private static func body(_ bytes: [UInt8], _ headers: [Field], _ redaction: Redaction) -> JSON {
        guard !bytes.isEmpty else { return ["kind": "none", "bytes": 0] }
        let count = JSON(bytes.count)
        func whole(_ kind: String, _ text: String) -> JSON {
            ["kind": .string(kind), "bytes": count, "text": .string(text)]
        }
        guard bytes.count <= bodyMax else { return leftOut(bytes.count, bytes, "too_large") }
        guard headers["Content-Encoding"].map({ $0.lowercased() == "identity" }) ?? true else {
            return leftOut(bytes.count, bytes, "compressed")
        }
        if let json = try? JSON.parse(bytes) {
            return whole("json", String(decoding: redaction.json(json).bytes, as: UTF8.self))
        }
        let type = (headers["Content-Type"] ?? "").lowercased().prefix { $0 != ";" && $0 != " " }
        if type == "application/x-www-form-urlencoded", let form = FormFields(bytes) {
            return whole("form", redaction.form(form))
        }
        // Of other kinds of text nobody here knows where a secret stands.
        guard ["text/plain", "text/html", ""].contains(type), !bytes.contains(0),
            let text = String(validating: bytes, as: UTF8.self)
        else { return leftOut(bytes.count, bytes, "not_text") }
        return whole("text", redaction.text(text))
    }

    private static func leftOut(_ count: Int, _ bytes: [UInt8], _ why: String) -> JSON {
        let looks = (try? MediaFacts(reading: Array(bytes.prefix(32))))?.kind ?? .other
        return [
            "kind": "left_out", "bytes": JSON(count), "why": .string(why), "looks_like": .string(looks.contentType),
        ]
    }
}

extension Secret {
    /// Of `Bearer TOKEN` the token as well.
    fileprivate var parts: [Secret] {
        reveal { bytes in [self] + bytes.split(separator: 0x20).dropFirst().map { Secret(Array($0)) } }
    }
}
