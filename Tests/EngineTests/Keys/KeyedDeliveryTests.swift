import ActivityPub
import Certificates
import Crypto
import CryptoExtras
import Foundation
import Kit
import Logging
import PayPal
import SendGrid
import Store
import Synchronization
import TestSupport
import Testing

@testable import Engine

@Suite("Deliveries that are proven by keys which stand elsewhere", .serialized)
struct KeyedDeliveryTests {
    @Test("a batch of two hundred events is kept in one commit, each once", arguments: TestEngine.all)
    func batch(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let pair = try WebhookSecret.newPair()
            let public64 = String(decoding: Base64.encode(pair.proves.der), as: UTF8.self)
            let desk = try await KeyedDesk(database, SendGrid(), secrets: public64, reader: FakeReader.none)
            func delivery(_ ids: Range<Int>) -> Delivery {
                let events = ids.map {
                    #"{"email":"a@example.com","timestamp":1795859990,"event":"open","sg_event_id":"id\#($0)"}"#
                }
                let draft = WebhookDraft(
                    url: "https://pb.example/webhooks/sendgrid", headers: [],
                    body: Array("[\(events.joined(separator: ",\r\n"))]\r\n".utf8))
                let sent = SendGrid().webhooks.signed(draft, with: [pair.signs], at: .testNow)
                return desk.delivery(sent.headers, sent.body)
            }

            #expect(await desk.receive(delivery(0..<200)) == .kept(Kept(new: 200, duplicates: 0)))
            // The same events come again in other company.
            #expect(await desk.receive(delivery(150..<250)) == .kept(Kept(new: 50, duplicates: 50)))
            #expect(await desk.receive(delivery(0..<200)) == .kept(Kept(new: 0, duplicates: 200)))
            let counts = try await desk.counts()
            #expect(counts["events"] == 250 && counts["event_identities"] == 250 && counts["bodies"] == 2)
        }
    }

    // MARK: An actor's key

    @Test("an activity is believed by the key that its actor's server shows", arguments: TestEngine.all)
    func activity(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let town = Town()
            let desk = try await KeyedDesk(database, ActivityPub(), secrets: "*", reader: town.reader)

            let first = await desk.receive(try town.like("1", at: desk))
            #expect(first == .kept(Kept(new: 1, duplicates: 0)))
            #expect(await desk.receive(try town.like("1", at: desk)) == .kept(Kept(new: 0, duplicates: 1)))
            #expect(await desk.receive(try town.like("2", at: desk)) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(town.reader.count == 1)

            guard
                case .refused(.untrustedKey) = await desk.receive(
                    try town.like("3", at: desk, actor: "https://b.example/u"))
            else {
                Issue.record("another actor's word")
                return
            }
            #expect(await desk.receive(try town.like("4", at: desk, signedWith: .init())) == .refused(.wrongSignature))
            #expect(try await desk.counts()["events"] == 2)
        }
    }

    @Test(
        "a key that was replaced is fetched once more; a forger cannot make that happen often",
        arguments: TestEngine.all)
    func rotated(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let town = Town()
            let desk = try await KeyedDesk(database, ActivityPub(), secrets: "*", reader: town.reader)
            _ = await desk.receive(try town.like("1", at: desk))
            desk.clock.advance(by: .minutes(2))
            town.rotate()

            #expect(await desk.receive(try town.like("2", at: desk)) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(town.reader.count == 2)
            for number in 0..<50 {
                let forged = try town.like("f\(number)", at: desk, signedWith: .init())
                #expect(await desk.receive(forged) == .refused(.wrongSignature))
            }
            #expect(town.reader.count == 2)
        }
    }

    @Test(
        "while the key cannot be had nothing is kept, and the sender is told to come again", arguments: TestEngine.all)
    func away(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let town = Town()
            let desk = try await KeyedDesk(database, ActivityPub(), secrets: "*", reader: town.reader)
            town.isAway.withLock { $0 = true }
            #expect(await desk.receive(try town.like("1", at: desk)) == .unavailable)
            town.isAway.withLock { $0 = false }
            #expect(await desk.receive(try town.like("1", at: desk)) == .unavailable)
            desk.clock.advance(by: .seconds(11))
            #expect(await desk.receive(try town.like("1", at: desk)) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(try await desk.counts()["events"] == 1)
        }
    }

    @Test("ten thousand forged deliveries with as many names of keys cause ten fetches, and leave nothing")
    func flood() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let town = Town()
            let desk = try await KeyedDesk(database, ActivityPub(), secrets: "*", reader: town.reader)
            let one = try town.like("1", at: desk, signedWith: .init())
            let signature = try #require(one.headers["Signature"])
            for number in 0..<10_000 {
                let other = signature.replacing("/users/lena#main-key", with: "/users/lena\(number)#main-key")
                _ = await desk.receive(one.replacing("Signature", other))
            }
            #expect(town.reader.count == 10)
            #expect(try await desk.counts()["events"] == 0)
        }
    }

    @Test("what is too old, or covers too little, is refused before anybody is asked for a key")
    func unasked() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let town = Town()
            let desk = try await KeyedDesk(database, ActivityPub(), secrets: "*", reader: town.reader)
            #expect(
                await desk.receive(try town.like("1", at: desk, covering: ["(request-target)", "host", "date"]))
                    == .refused(.uncovered("digest")))
            let other = try await KeyedDesk(database, ActivityPub(), secrets: "friend.example", reader: town.reader)
            guard case .refused(.untrustedKey) = await other.receive(try town.like("1", at: desk)) else {
                Issue.record("its server is not taken")
                return
            }
            let old = try town.like("1", at: desk)
            let altered = try town.like("2", at: desk).with(body: Array("{}".utf8))
            #expect(await desk.receive(altered) == .refused(.wrongDigest))
            desk.clock.advance(by: .days(2))
            guard case .refused(.tooOld) = await desk.receive(old.at(desk.clock.source.now())) else {
                Issue.record("two days old")
                return
            }
            #expect(town.reader.count == 0)
        }
    }

    @Test("what is past its time and was seen before is a repetition, by the key that is remembered")
    func oldRepetition() async throws {
        try await TestDatabase.with(.sqlite) { database in
            let town = Town()
            let desk = try await KeyedDesk(database, ActivityPub(), secrets: "*", reader: town.reader)
            let one = try town.like("1", at: desk)
            #expect(await desk.receive(one) == .kept(Kept(new: 1, duplicates: 0)))
            desk.clock.advance(by: .days(2))
            let late = one.at(desk.clock.source.now())
            #expect(await desk.receive(late) == .kept(Kept(new: 0, duplicates: 1)))
            #expect(town.reader.count == 1)
        }
    }

    // MARK: A platform's certificate

    @Test("a certificate is fetched once, checked to its root, and proves what it signed", arguments: TestEngine.all)
    func certificate(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let leaf = try Pki.text("leaf.pem") + Pki.text("intermediate.pem")
            let reader = FakeReader { url, _ in
                .init(status: url.hasSuffix("/CERT-1") ? 200 : 404, headers: [], body: Array(leaf.utf8))
            }
            let desk = try await KeyedDesk(
                database, PayPal(), secrets: "1JE4291016473214C", reader: reader,
                roots: Array(Pki.text("root.pem").utf8))
            func delivery(_ id: String, certificate: String = "CERT-1", webhook: String = "1JE4291016473214C") throws
                -> Delivery
            {
                try Self.payPal(id, at: desk, certificate: certificate, webhook: webhook)
            }

            #expect(await desk.receive(try delivery("WH-1")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(await desk.receive(try delivery("WH-1")) == .kept(Kept(new: 0, duplicates: 1)))
            #expect(await desk.receive(try delivery("WH-2")) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(reader.count == 1)
            #expect(await desk.receive(try delivery("WH-3", webhook: "other-webhook")) == .refused(.wrongSignature))
            guard case .refused(.untrustedKey) = await desk.receive(try delivery("WH-4", certificate: "CERT-2")) else {
                Issue.record("there is no such certificate")
                return
            }
            #expect(try await desk.counts()["events"] == 2)
        }
    }

    /// The platforms that a tool plays, with what their settings hold.
    private static let played: [(source: any PlayedSource, secrets: String)] = [
        (PayPal(), "1JE4291016473214C"), (ActivityPub(), "127.0.0.1"),
    ]

    private static func playedKey(_ kind: PlayedKey.Kind) throws -> PlayedKey {
        switch kind {
        case .certificate(let name): return try TestCertificate.key(in: TestCertificate(for: name, at: .testNow).text)
        case .pair:
            let pair = try WebhookSecret.newPair()
            return PlayedKey(shown: PEM.text("PUBLIC KEY", pair.proves.der), root: nil) {
                pair.signs.signature(over: $0)
            }
        }
    }

    @Test("what a tool signs with a key of its own is believed where the key is served", arguments: [0, 1])
    func playing(_ number: Int) async throws {
        try await TestDatabase.with(.sqlite) { database in
            let (source, secrets) = Self.played[number]
            let base = "http://127.0.0.1:8486"
            let (key, other) = (try Self.playedKey(source.playedWith), try Self.playedKey(source.playedWith))
            let stage = source.stage(key, at: base)
            let reader = FakeReader { url, _ in
                guard let document = stage.documents[String(url.dropFirst(base.count))] else {
                    return .init(status: 404, headers: [], body: [])
                }
                return .init(
                    status: 200, headers: [Field("Content-Type", document.contentType)], body: document.body)
            }
            // As the settings name the tool's address.
            let routes = try PayPal.routes(
                OperatorSettings { ["PAYPAL_WEBHOOK_ID": secrets, "PAYPAL_BASE_URL": base][$0] })
            let desk = try await KeyedDesk(
                database, source, secrets: secrets, reader: reader, roots: Array((key.root ?? "").utf8),
                by: source is PayPal ? routes.first?.scheme : nil)
            func send(_ index: Int, by key: PlayedKey) async throws -> Gateway.Reply {
                let url = "https://pb.example/webhooks/\(source.about.id)"
                let with = WebhookSample.Ingredients(
                    id: { $0 + "\(index)" },
                    digits: { String((String(repeating: "7", count: 40) + "\(index)").suffix($0)) },
                    at: .testNow)
                let ids = try source.webhooks.secrets(in: secrets)
                let draft = source.stage(key, at: base).sign(
                    source.samples[index].content(with).draft(to: url), ids, .testNow)
                return await desk.receive(desk.delivery(draft.headers, draft.body))
            }
            for (index, sample) in source.samples.enumerated() {
                #expect(try await send(index, by: key) == .kept(Kept(new: 1, duplicates: 0)), "\(sample.type)")
                #expect(try await send(index, by: other) == .refused(.wrongSignature), "\(sample.type)")
            }
            let types = try await database.read("types") { session in
                try session.events(EventFilter(), ListPage(limit: 100)).map(\.type)
            }
            #expect(Set(types) == Set(source.samples.map(\.type)))
        }
    }

    private static func payPalDesk(_ database: any Database) async throws -> KeyedDesk {
        let leaf = try Pki.text("leaf.pem") + Pki.text("intermediate.pem")
        let reader = FakeReader { _, _ in .init(status: 200, headers: [], body: Array(leaf.utf8)) }
        return try await KeyedDesk(
            database, PayPal(), secrets: "1JE4291016473214C", reader: reader, roots: Array(Pki.text("root.pem").utf8))
    }

    /// A delivery as PayPal signs it.
    private static func payPal(
        _ id: String, at desk: KeyedDesk, certificate: String = "CERT-1", webhook: String = "1JE4291016473214C"
    ) throws -> Delivery {
        let body = Array(#"{"id":"\#(id)","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"c"}}"#.utf8)
        let time = Timestamp.testNow.rfc3339
        let message = "t-\(id)|\(time)|\(webhook)|\(CRC32.of(body))"
        let key = try _RSA.Signing.PrivateKey(pemRepresentation: Pki.text("leaf.key.pem"))
        let signature = try key.signature(for: SHA256.hash(data: Array(message.utf8)), padding: .insecurePKCS1v1_5)
        return desk.delivery(
            [
                Field("Paypal-Transmission-Id", "t-\(id)"), Field("Paypal-Transmission-Time", time),
                Field(
                    "Paypal-Transmission-Sig",
                    String(decoding: Base64.encode(Array(signature.rawRepresentation)), as: UTF8.self)),
                Field("Paypal-Cert-Url", "https://api.paypal.com/v1/notifications/certs/\(certificate)"),
                Field("Paypal-Auth-Algo", "SHA256withRSA"),
            ], body)
    }

    @Test(
        "another event with the same checksum is none: a transmission is good for one body", arguments: TestEngine.all)
    func collision(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let desk = try await Self.payPalDesk(database)
            let genuine = try Self.payPal("WH-1", at: desk)
            let body = try #require(Collision.body(of: "WH-2", like: CRC32.of(genuine.body)))
            let forged = genuine.with(body: body)
            // It is an event, and its signature is right: only that the transmission is known speaks against it.
            #expect(CRC32.of(body) == CRC32.of(genuine.body))
            #expect(try PayPal().webhooks.events(forged).first?.providerEventID == "WH-2")

            #expect(await desk.receive(genuine) == .kept(Kept(new: 1, duplicates: 0)))
            #expect(await desk.receive(forged) == .refused(.usedProof))
            #expect(await desk.receive(genuine) == .kept(Kept(new: 0, duplicates: 1)))
            for _ in 0..<2 {
                desk.clock.advance(by: .days(1))
                #expect(await desk.receive(forged.at(desk.clock.source.now())) == .refused(.usedProof))
            }
            #expect(try await desk.counts()["events"] == 1)
            // Another transmission of the same event is the same event.
            #expect(await desk.receive(try Self.payPal("WH-3", at: desk)) == .kept(Kept(new: 1, duplicates: 0)))
        }
    }

    @Test("a signed batch of nothing is kept once, and asks nobody twice", arguments: TestEngine.all)
    func emptyBatch(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let pair = try WebhookSecret.newPair()
            let public64 = String(decoding: Base64.encode(pair.proves.der), as: UTF8.self)
            let desk = try await KeyedDesk(database, SendGrid(), secrets: public64, reader: FakeReader.none)
            let draft = WebhookDraft(
                url: "https://pb.example/webhooks/sendgrid", headers: [], body: Array("[]".utf8))
            let sent = SendGrid().webhooks.signed(draft, with: [pair.signs], at: .testNow)
            for _ in 0..<5 { #expect(await desk.receive(desk.delivery(sent.headers, sent.body)) == .unreadable) }
            let counts = try await desk.counts()
            #expect(counts["bodies"] == 1 && counts["deliveries"] == 1 && counts["event_identities"] == 1)
        }
    }
}

/// Another body with a checksum that was signed: four bytes of it are free, and CRC32 can be run backwards.
private enum Collision {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
    private static let byTop = Dictionary(uniqueKeysWithValues: table.enumerated().map { ($1 >> 24, $0) })

    static func body(of id: String, like checksum: UInt32) -> [UInt8]? {
        let end = Array(#""}"#.utf8)
        for salt in 0..<200_000 {
            let start = Array(
                #"{"id":"\#(id)","event_type":"PAYMENT.CAPTURE.COMPLETED","pad":"\#(salt)"#.utf8)
            var state = ~checksum
            for byte in end.reversed() + [0, 0, 0, 0] {
                guard let index = byTop[state >> 24] else { return nil }
                state = (state ^ table[index]) << 8 | UInt32(index) ^ UInt32(byte)
            }
            let free = state ^ ~CRC32.of(start)
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: free >> (8 * $0)) }
            guard bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) else { continue }
            return start + bytes + end
        }
        return nil
    }
}

/// A gateway for one platform, with keys from a reader of the test's own.
struct KeyedDesk: Sendable {
    let database: any Database
    let gateway: Gateway
    let clock: TestClock
    let provider: String
    let vault = Vault(keyring: Keyring([("k1", Secret([UInt8](repeating: 7, count: 32)))]))

    init(
        _ database: any Database, _ source: any WebhookSource, secrets: String,
        reader: any OutsideReading = FakeReader.none, roots: [UInt8] = [], by scheme: WebhookScheme? = nil,
        asking: any ProofAsking = NobodyAsked(), clock: TestClock = TestClock()
    ) async throws {
        self.database = database
        self.clock = clock
        provider = source.about.id
        let ids = Identifiers(now: { .testNow })
        let fresh: ID<AppKind> = ids.make()
        let id = source.about.id
        let app = try await database.write("app") { try $0.settingsApp(of: id, id: fresh, at: .testNow) }
        let time = clock.source
        let owned = OwnedSecrets(app: app, secrets: try source.webhooks.secrets(in: secrets), version: 1)
        gateway = Gateway(
            sources: [source], routes: scheme.map { [id: $0] } ?? [:],
            secrets: WebhookSecrets(
                settings: [id: owned], source: AppSecrets(database: database, vault: vault, time: time), time: time),
            database: database, rejections: RejectionLog(database: database, logger: .quiet), ids: ids, bells: Bells(),
            metrics: GatewayMetrics(metrics: Metrics(), logger: .quiet),
            keys: RemoteKeys(
                reader: reader, certificates: { try CertificateChain(roots: roots) }, time: time, metrics: Metrics(),
                logger: .quiet), asking: asking)
    }

    func delivery(_ headers: [Field], _ body: [UInt8]) -> Delivery {
        let target = "/webhooks/\(provider)"
        return Delivery(
            method: "POST", target: target, url: "https://pb.example" + target, headers: headers, body: body,
            receivedAt: clock.source.now())
    }

    func receive(
        _ delivery: Delivery, owner: String? = nil, from address: String = "192.0.2.7"
    ) async -> Gateway.Reply {
        await gateway.receive(delivery, for: provider, owner: owner, from: address)
    }

    func counts() async throws -> [String: Int] {
        try await database.read("counts") { session in
            try session.rowCounts(of: ["deliveries", "bodies", "event_identities", "events"])
        }
    }
}

/// A server of the fediverse with one actor.
private final class Town: Sendable {
    static let actor = "https://social.example/users/lena"
    let key = Mutex(Curve25519.Signing.PrivateKey())
    let isAway = Mutex(false)

    var reader: FakeReader { theReader.withLock { $0 } ?? FakeReader.none }
    private let theReader = Mutex<FakeReader?>(nil)

    init() {
        let reader = FakeReader { [self] _, _ throws(WireFailure) in
            if isAway.withLock({ $0 }) { throw .timeout }
            return .init(
                status: 200, headers: [Field("Content-Type", "application/activity+json")], body: document.bytes)
        }
        theReader.withLock { $0 = reader }
    }

    func rotate() { key.withLock { $0 = .init() } }

    private var document: JSON {
        let bytes = key.withLock { Array($0.publicKey.rawRepresentation) }
        let pem = (try? PublicKey(ed25519: bytes)).map { PEM.text("PUBLIC KEY", $0.der) } ?? ""
        return [
            "id": .string(Self.actor), "type": "Person",
            "publicKey": [
                "id": .string(Self.actor + "#main-key"), "owner": .string(Self.actor), "publicKeyPem": .string(pem),
            ],
        ]
    }

    /// An activity, signed as Mastodon signs.
    func like(
        _ id: String, at desk: KeyedDesk, actor: String = actor, signedWith other: Curve25519.Signing.PrivateKey? = nil,
        covering parts: [String] = ["(request-target)", "host", "date", "digest"]
    ) throws -> Delivery {
        let body = Array(#"{"id":"https://social.example/l/\#(id)","type":"Like","actor":"\#(actor)"}"#.utf8)
        let digest = "SHA-256=" + String(decoding: Base64.encode(Array(SHA256.hash(data: body))), as: UTF8.self)
        let date = desk.clock.source.now().httpDate
        let values = [
            "(request-target)": "post /webhooks/activitypub", "host": "pb.example", "date": date, "digest": digest,
        ]
        let base = parts.map { "\($0): \(values[$0] ?? "")" }.joined(separator: "\n")
        let signature = try (other ?? key.withLock { $0 }).signature(for: Array(base.utf8))
        let header =
            #"keyId="\#(Self.actor)#main-key",algorithm="hs2019",headers="\#(parts.joined(separator: " "))","#
            + #"signature="\#(String(decoding: Base64.encode(Array(signature)), as: UTF8.self))""#
        return desk.delivery(
            [Field("Date", date), Field("Digest", digest), Field("Signature", header)], body)
    }
}

/// The certificates that stand for a platform's, beside Kit's tests.
private enum Pki {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "KitTests/Vectors/paypal/pki")

    static func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: folder.appending(path: name)), as: UTF8.self)
    }
}

extension FakeReader {
    /// Nobody is asked.
    static var none: FakeReader { FakeReader { _, _ throws(WireFailure) in throw .unresolvable } }
}

extension Delivery {
    fileprivate func replacing(_ name: String, _ value: String) -> Delivery {
        Delivery(
            method: method, target: target, url: url,
            headers: headers.map { $0.name == name ? Field(name, value) : $0 }, body: body, receivedAt: receivedAt)
    }
}

extension Delivery {
    fileprivate func with(body: [UInt8]) -> Delivery {
        Delivery(method: method, target: target, url: url, headers: headers, body: body, receivedAt: receivedAt)
    }
    fileprivate func at(_ moment: Timestamp) -> Delivery {
        Delivery(method: method, target: target, url: url, headers: headers, body: body, receivedAt: moment)
    }
}
