import Kit
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// Bodies of calls are kept only where somebody asks for it, for a time, and without secrets (PROMISES R20).
@Suite("Captures")
struct CaptureTests {
    private struct Mirror: AccountCallable, SecretNaming {
        let about = About(id: "mirror", name: "Mirror", version: "1", documentation: "https://example.com")
        let accountHost = "https://mirror.example"
        let oauth = SamplePlatform(rotation: .strict).oauth
        let secretFields = ["ticket"]
        func failure(in answer: Answer, at now: Timestamp) -> Failure? {
            answer.status < 300 ? nil : Failure(.refused, "The mirror is broken.")
        }
    }

    /// Says back what it got, in every manner in which a secret may come back.
    private final class MirrorWire: StreamWire {
        let kinds = Mutex<[(type: String, body: [UInt8])]>([])

        func send(_ request: StreamRequest, within deadline: Duration) async throws -> StreamAnswer {
            var body: [UInt8] = []
            switch request.body {
            case .none: break
            case .bytes(let bytes): body = bytes
            case .stream(let parts, _): for try await part in parts { body += part.readableBytesView }
            }
            let authorization = request.authorization.reveal { String(decoding: $0, as: UTF8.self) }
            let token = String(authorization.dropFirst(7))
            let headers = [
                Field("Content-Type", "application/json"), Field("Set-Cookie", "session=\(Canary.cookie)"),
                Field("Location", "https://mirror.example/next?sig=\(Canary.signature)&page=2"),
                Field("X-Echo", "you sent \(token)"),
            ]
            let said: JSON = [
                "note": "hello", "url": .string(request.url), "sent": .string(String(decoding: body, as: UTF8.self)),
                "ticket": .string("https://up.example/\(Canary.ticket)"), "name \(token)": 1,
                "inner": .string(#"{"access_token":"\#(Canary.fresh)","page":2}"#),
                "page": .string("see https://mirror.example/?page=3&signature=\(Canary.signature)#end"),
                "coded": .string(String(decoding: Base64.encode(token.utf8), as: UTF8.self)),
                "tokens": [.string(Canary.fresh)], "refresh": .string(Canary.refresh), "token": .null,
            ]
            let other = kinds.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            return StreamAnswer(
                status: 200, headers: other.map { [Field("Content-Type", $0.type)] } ?? headers
            ) { take in try await take(ByteBuffer(bytes: other?.body ?? said.bytes)) }
        }
    }

    /// Secrets that are looked for afterwards.
    private enum Canary {
        static let access = "act.canary*1!/+x=="
        static let refresh = "rft.canary/2"
        static let client = "client-canary-3"
        static let ticket = "ticket-canary-4"
        static let fresh = "fresh-canary-5"
        static let signature = "signature-canary-6"
        static let cookie = "cookie-canary-7"
        static let password = "password-canary-8"
        static let all = [access, refresh, client, ticket, fresh, signature, cookie, password]

        /// Which of them stands there, however it is written.
        static func found(in bytes: [UInt8]) -> [String] {
            let text = String(decoding: bytes, as: UTF8.self).lowercased()
            return all.filter { secret in
                let encoded = FormFields.encoded([Field("", secret)]).dropFirst()
                return [
                    Array(secret.utf8), Array(encoded), Base64.encode(secret.utf8), Hex.encode(Array(secret.utf8)),
                    Array(secret.replacing("/", with: "\\/").utf8),
                ].contains { text.contains(String(decoding: $0, as: UTF8.self).lowercased()) }
            }
        }
    }

    private struct Rig {
        let database: any Database
        let clock = SleepersClock()
        let ids: Identifiers
        let vault = Vault(keyring: Keyring([(id: "k1", secret: Secret([UInt8](repeating: 5, count: 32)))]))
        let wire = MirrorWire()
        let captures: Captures
        let recorder: CallRecorder
        let traffic: Traffic
        let connection: ID<ConnectionKind>

        init(_ database: any Database) async throws {
            self.database = database
            ids = Identifiers(now: { [clock] in clock.now })
            let time = clock.source
            captures = Self.captures(database, vault, time)
            recorder = CallRecorder(database: database, metrics: Metrics(), time: .system, logger: .quiet)
            traffic = Traffic(
                quotas: Quotas(
                    book: QuotaBook([]), limiter: Limiter(time: time), keeper: nil, isShared: false, node: { "n" },
                    time: time, logger: .quiet),
                circuits: Circuits(database: database, time: time, logger: .quiet), recorder: recorder,
                captures: captures, ids: ids, time: time)
            connection = ids.make()
            let sealed = try vault.seal(
                Tokens(
                    access: Secret(Canary.access), refresh: Secret(Canary.refresh), expiresAt: nil,
                    refreshExpiresAt: nil, scopes: nil, account: "a"), of: connection, version: 1)
            let credential = NewCredential(
                version: 1, sealed: sealed.bytes, keyID: sealed.keyID, obtainedAt: clock.now, expiresAt: nil,
                refreshAt: nil, refreshExpiresAt: nil, endsAt: nil)
            let new = NewConnection(
                id: connection, userID: "user-1", provider: "mirror", app: RefreshRig.app, openID: "a", name: nil,
                scopes: [], wanted: [], isPending: false)
            let now = clock.now
            try await database.write("connect") { session in
                let row = try session.connect(new, at: now)
                #expect(try session.keep(credential, of: row, replacing: nil, at: now))
            }
        }

        static func captures(_ database: any Database, _ vault: Vault, _ time: TimeSource) -> Captures {
            Captures(
                names: ["mirror": Mirror().secretFields], secrets: [Secret(Canary.client)], database: database,
                vault: vault, time: time, logger: .quiet)
        }

        private func errand(_ connection: ID<ConnectionKind>) -> ConnectionCaller.Errand {
            ConnectionCaller.Errand(
                connection: connection.text, account: "a", userID: "user-1", app: "app", provider: "mirror",
                purpose: "test",
                claimant: Claimant("test", .person))
        }

        @discardableResult
        func begin(
            _ connection: ID<ConnectionKind>?, for length: Duration = .minutes(15), calls: Int64 = 10
        ) async throws -> ID<CaptureKind> {
            let row = CaptureRow(
                id: ids.make(), provider: "mirror", connection: connection, beganAt: clock.now,
                endsAt: clock.now + length, callsMax: calls, startedBy: "key_1")
            try await database.write("begin") { try $0.begin(row) }
            await captures.read()
            return row.id
        }

        /// Makes a call, and answers what was captured of it.
        func call(
            _ outgoing: Outgoing = Outgoing(.get, "/v1/me"), for other: ID<ConnectionKind>? = nil
        ) async throws -> JSON? {
            let caller = ConnectionCaller(
                platforms: ["mirror": .init(Mirror())], traffic: traffic, wire: wire
            ) { _, _ in Proxying.Credential(token: Secret(Canary.access), version: 1) }
            let heard = try await caller.send(outgoing, on: errand(other ?? connection))
            #expect(heard.answer?.status == 200)
            return try await latest()
        }

        /// The same passed on for an application.
        func pass(_ body: StreamRequest.Body, _ headers: [Field] = []) async throws -> JSON? {
            let proxying = Proxying(traffic: traffic, wire: wire) { _, _ in
                Proxying.Credential(token: Secret(Canary.access), version: 1)
            }
            let target = Proxying.Target(
                connection: connection.text, account: "a", userID: "user-1", app: "app", provider: Mirror().about,
                base: "https://mirror.example", paths: [])
            let wish = Proxying.Wish(
                method: .post, path: "/v1/things?access_token=\(Canary.fresh)", headers: headers, body: body,
                correlation: nil, by: "key_1")
            let answer = try await proxying.pass(wish, to: target)
            try await answer.pass { _ in }
            return try await latest()
        }

        private func latest() async throws -> JSON? {
            await recorder.drain()
            let rows = try await database.read("calls") { try $0.calls(CallFilter(), ListPage(limit: 1)) }
            return try await captures.captured(try #require(rows.first).id)
        }

        func count(_ sql: SQL) async throws -> Int64 {
            try await database.read("count") { try $0.row(sql) { try $0.integer() } } ?? -1
        }
    }

    private static let form = Outgoing(
        .post, "/v1/\("thing")?fields=a&access_token=\(Canary.fresh)",
        headers: [
            Field("Content-Type", "application/x-www-form-urlencoded"), Field("X-Api-Key", Canary.fresh),
            Field("Accept", "application/json"),
        ],
        body: FormFields.encoded([
            Field("text", "Rye is back"), Field("password", Canary.password), Field("copy", Canary.access),
        ]))

    @Test("a secret in an address, a header, a request or an answer is not in what is kept", arguments: TestEngine.all)
    func canary(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            try await rig.begin(rig.connection)

            let kept = [
                try #require(try await rig.call(Self.form)),
                try #require(try await rig.pass(.bytes(Array(#"{"a":"\#(Canary.access)","b":1}"#.utf8)))),
                try #require(
                    try await rig.pass(
                        .bytes(Array("plain \(Canary.client)".utf8)), [Field("Content-Type", "text/plain")])
                ),
            ]

            for json in kept { #expect(Canary.found(in: json.bytes) == [], "\(json)") }
            // What is no secret is there.
            let (request, answer) = (kept[0]["request"] ?? .null, kept[0]["answer"] ?? .null)
            #expect(request["url"]?.text == "https://mirror.example/v1/thing?fields=a&access_token=‹secret›")
            #expect(request["body", "text"]?.text == "text=Rye+is+back&password=‹secret›&copy=‹secret›")
            #expect(request["headers"]?.elements?.contains(["name": "X-Api-Key", "value": "‹secret›"]) == true)
            #expect(request["headers"]?.elements?.contains(["name": "Accept", "value": "application/json"]) == true)
            let said = try JSON.parse(answer["body", "text"]?.text ?? "")
            #expect(said["note"] == "hello" && said["ticket"] == "‹secret›" && said["token"] == .null)
            #expect(said["inner"]?.text == #"{"access_token":"‹secret›","page":2}"#)
            #expect(said["page"]?.text == "see https://mirror.example/?page=3&signature=‹secret›#end")
            #expect(kept[2]["request", "body", "text"]?.text == "plain ‹secret›")
            // Nor does it lie in the table in clear.
            let sealed = try await database.read("sealed") { session in
                try session.rows("SELECT sealed FROM captured_calls") { try $0.blob() }
            }
            #expect(sealed.count == 3 && sealed.allSatisfy { $0.firstRange(of: Array("hello".utf8)) == nil })
        }
    }

    @Test(
        "it ends by its time and by its number, holds over a restart, and is of one connection",
        arguments: TestEngine.all)
    func bounds(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            #expect(try await rig.call() == nil, "nobody has asked")
            let first = try await rig.begin(rig.connection, for: .minutes(5), calls: 2)
            #expect(try await rig.call() != nil)
            #expect(try await rig.call(for: rig.ids.make()) == nil, "another connection")
            #expect(try await rig.call() != nil)
            #expect(try await rig.call() == nil, "two were asked for")
            let row = try #require(try await database.read("capture") { try $0.capture(first) })
            #expect(row.calls == 2 && !row.isOpen(at: rig.clock.now))

            try await rig.begin(nil, for: .minutes(5))
            rig.clock.advance(.minutes(4))
            let restarted = Rig.captures(database, rig.vault, rig.clock.source)
            var exchange = Traffic.Exchange(
                provider: Mirror().about, host: "h", method: "GET", path: "/", spends: [], repeating: .always,
                deadline: .seconds(1), context: CallContext("test", as: Claimant("t", .person)))
            #expect(await restarted.open(for: exchange) == nil, "what is about tokens alone is never captured")
            exchange.content = Traffic.Content(url: "u", headers: [], body: [], authorization: Secret([]))
            #expect(await restarted.open(for: exchange) != nil)
            #expect(try await rig.call() != nil, "of the platform")
            rig.clock.advance(.minutes(2))
            #expect(await restarted.open(for: exchange) == nil)
            #expect(try await rig.call() == nil, "its time is over")
        }
    }

    @Test("of files, long bodies and coded ones the length is kept, and what the first bytes say")
    func leftOut() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let rig = try await Rig(database)
            try await rig.begin(rig.connection)
            let film: [UInt8] = [0, 0, 0, 24] + Array("ftypmp42".utf8) + [UInt8](repeating: 7, count: 100)
            let (parts, source) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
            for start in [0, 56] { source.yield(ByteBuffer(bytes: film[start..<start + 56])) }
            source.finish()
            rig.wire.kinds.withLock {
                $0 = [("application/json", Array("\"\(String(repeating: "x", count: 70_000))\"".utf8))]
            }

            let kept = try #require(try await rig.pass(.stream(parts, length: 112)))

            #expect(
                kept["request", "body"] == [
                    "kind": "left_out", "bytes": 112, "why": "passed_on", "looks_like": "video/mp4",
                ])
            #expect(kept["answer", "body", "why"] == "too_large" && kept["answer", "body", "bytes"] == 70_002)
            #expect(kept["answer", "body", "text"] == nil)
            rig.wire.kinds.withLock { $0 = [("application/xml", Array("<a>1</a>".utf8))] }
            #expect(try await rig.call()?["answer", "body", "why"] == "not_text")
            let coded = Outgoing(.post, "/v1/x", headers: [Field("Content-Encoding", "gzip")], body: [1, 2, 3])
            #expect(try await rig.call(coded)?["request", "body", "why"] == "compressed")
        }
    }

    @Test("what was kept goes with the connection, with the user, and with its time", arguments: TestEngine.all)
    func goes(engine: TestEngine) async throws {
        let kept: SQL = "SELECT count(*) FROM captured_calls"
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            let now = rig.clock.now
            try await rig.begin(nil)
            _ = try await rig.call()
            #expect(try await rig.count(kept) == 1)
            try await database.write("disconnect") {
                try $0.forgetAccount(of: rig.connection, reason: "disconnected", at: now)
            }
            #expect(try await rig.count(kept) == 0)
            // What was on its way then is not kept either.
            #expect(try await rig.call() == nil)
        }
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            try await rig.begin(rig.connection)
            _ = try await rig.call()
            let new = NewErasure(
                id: rig.ids.make(), user: "user-1", who: "digest", askedBy: "key_1", at: rig.clock.now, bodies: [])
            #expect(try await database.write("erase") { try $0.erase(new) } != nil)
            #expect(try await rig.count(kept) == 0)
            #expect(try await rig.count("SELECT count(*) FROM captures") == 0)
        }
        try await TestDatabase.with(engine) { database in
            let rig = try await Rig(database)
            try await rig.begin(rig.connection)
            _ = try await rig.call()
            let later = rig.clock.now + .days(8)
            #expect(
                try await database.write("expire") {
                    try $0.expire(.captures, limits: RetentionLimits(), at: later, limit: 10)
                } == 2)
            #expect(try await rig.count(kept) == 0)
        }
    }
}
