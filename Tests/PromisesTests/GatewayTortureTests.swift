import AsyncHTTPClient
import Crypto
import Engine
import Foundation
import Kit
import NIOCore
import NIOHTTP1
import Server
import Synchronization
import TestSupport
import Testing

@testable import Store

/// Many senders of every scheme that one secret signs, all misbehaving as networks and forgers do, while the server is
/// killed again and again.
@Suite("The gateway under torture", .serialized)
struct GatewayTortureTests {
    private static let (senders, eventsEach, kills) = isTorture ? (200, 60, 40) : (30, 10, 4)

    @Test("each genuine event is there once, and no forged one", arguments: TestEngine.all)
    func torture(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let server = try ServerProcess(databaseURL: url, environment: Platform.settings)
            server.environment["PATCHBAY_PUBLIC_URL"] = "http://127.0.0.1:\(server.port)"
            try await server.start()
            let ledger = TortureLedger()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<Self.senders {
                    let platform = Platform.all[number % Platform.all.count]
                    let sender = Sender(number: number, platform: platform, server: server, ledger: ledger)
                    group.addTask { try await sender.run(Self.eventsEach) }
                }
                group.addTask {
                    for _ in 0..<Self.kills {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 200...700)))
                        server.crash()
                        try await server.start()
                    }
                }
                try await group.waitForAll()
            }
            server.crash()

            let found = try await DurabilityTests.read(url, engine) { session in
                let ids = try session.rows("SELECT id, provider FROM deliveries WHERE verdict = 'accepted'") { row in
                    (try row.id(DeliveryKind.self), try row.text())
                }
                return try ids.map { id, provider in Kept(provider, try session.deliveryBody(id) ?? []) }
            }
            let events = try await DurabilityTests.read(url, engine) { session in
                try session.row("SELECT count(*) FROM events") { Int(try $0.integer()) } ?? 0
            }
            let genuine = ledger.genuine
            #expect(genuine.count == Self.senders * Self.eventsEach)
            #expect(Set(found).subtracting(genuine).isEmpty, "a forged delivery was believed")
            #expect(genuine.subtracting(found).isEmpty, "a genuine delivery that was answered 200 is lost")
            #expect(found.count == genuine.count, "a delivery was kept as new twice")
            #expect(events == ledger.events)
            #expect(ledger.refused > 0 && ledger.unexpected.isEmpty, "\(ledger.unexpected.prefix(5))")
        }
    }

    @Test(
        "more than it can take: what is answered 200 is kept, the rest is told 503, memory is bounded, then it is over")
    func overload() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()
            #expect(try await server.deliver("evt_before") == 200)
            let before = server.residentBytes
            let (peak, isOver) = (Peak(), Peak())
            let ledger = Ledger()
            // Together 60 MiB at a time, of which the queue holds 32 MiB.
            let padding = [UInt8](repeating: UInt8(ascii: "x"), count: 384 << 10)
            let scheme = try #require(Signing.scheme(of: "stripe"))
            let secrets = try scheme.secrets(in: ServerProcess.secret)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<160 {
                    group.addTask {
                        var number = 0
                        while isOver.value == 0 {
                            number += 1
                            let id = "evt_\(sender)_\(number)"
                            let head = #"{"id":"\#(id)","object":"event","type":"price.created","created":1795255200,"#
                            let body = Array(head.utf8) + Array(#""note":""#.utf8) + padding + Array(#""}"#.utf8)
                            let draft = scheme.signed(
                                WebhookDraft(
                                    url: "http://127.0.0.1:\(server.port)/webhooks/stripe", headers: [], body: body),
                                with: secrets, id: "", at: .system)
                            let status = try? await Sender.send(draft, slowly: false)  // A closed connection.
                            ledger.note(status: status)
                            if status == 200 { ledger.note(id) }
                        }
                    }
                }
                group.addTask {
                    for _ in 0..<(isTorture ? 3000 : 30) {
                        try await Task.sleep(for: .milliseconds(100))
                        peak.note(server.residentBytes)
                    }
                    isOver.note(1)
                }
                try await group.waitForAll()
            }
            #expect(try await server.deliver("evt_after") == 200)
            #expect(ledger.statuses == [200, 503], "\(ledger.statuses)")
            #expect(peak.value - before < 400 << 20, "\((peak.value - before) >> 20) MiB more")
            server.crash()
            let kept = try await DurabilityTests.read(url, .sqlite) { session in
                Set(try session.rows("SELECT provider_event_id FROM events") { try $0.optionalText() ?? "" })
            }
            #expect(!ledger.acknowledged.isEmpty && ledger.acknowledged.isSubset(of: kept))
        }
    }
}

/// The highest of some numbers.
private final class Peak: Sendable {
    private let state = Mutex(0)
    var value: Int { state.withLock { $0 } }
    func note(_ value: Int) { state.withLock { $0 = max($0, value) } }
}

/// A delivery's bytes, by which it is known again.
private struct Kept: Hashable {
    let provider: String
    let hash: [UInt8]
    init(_ provider: String, _ body: [UInt8]) {
        (self.provider, hash) = (provider, Array(SHA256.hash(data: body)))
    }
}

private final class TortureLedger: Sendable {
    private let state = Mutex<(genuine: Set<Kept>, events: Int, refused: Int, unexpected: [String])>(([], 0, 0, []))
    var genuine: Set<Kept> { state.withLock { $0.genuine } }
    var events: Int { state.withLock { $0.events } }
    var refused: Int { state.withLock { $0.refused } }
    var unexpected: [String] { state.withLock { $0.unexpected } }

    func kept(_ delivery: Kept, events: Int) {
        state.withLock { if $0.genuine.insert(delivery).inserted { $0.events += events } }
    }
    func refused(_ status: Int?, _ what: String) {
        state.withLock { state in
            // None while the server was being killed.
            guard let status, status != 503 else { return }
            if [400, 401, 429].contains(status) {
                state.refused += 1
            } else {
                state.unexpected.append("\(what): \(status)")
            }
        }
    }
    func unexpected(_ status: Int, _ what: String) { state.withLock { $0.unexpected.append("\(what): \(status)") } }
}

/// A platform whose webhooks one secret signs.
private struct Platform: Sendable {
    let id: String
    let secret: String
    let foreign: String
    let samples: [WebhookSample]

    static let hex = "0123456789abcdef0123456789abcdef"
    static let settings = [
        "STANDARD_WEBHOOKS_SECRET": standard, "AUTHNET_SIGNATURE_KEY": hex, "META_APP_SECRET": hex,
        "X_CONSUMER_SECRET": hex, "TIKTOK_WEBHOOK_SECRET": hex, "TIKTOK_SHOP_APP_KEY": "key",
        "TIKTOK_SHOP_APP_SECRET": hex, "TWILIO_AUTH_TOKEN": hex, "BRAINTREE_PUBLIC_KEY": "key",
        "BRAINTREE_PRIVATE_KEY": hex,
    ]
    private static let standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private static let other = String(hex.reversed())

    static let all: [Platform] =
        [
            Platform(
                id: "stripe", secret: ServerProcess.secret, foreign: "whsec_of_somebody_else_0123456789", samples: []),
            Platform(
                id: "standard-webhooks", secret: standard, foreign: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
                samples: []),
        ]
        + ["authorize-net", "instagram", "x", "tiktok", "twilio"].map {
            Platform(id: $0, secret: hex, foreign: other, samples: Signing.samples(of: $0))
        }
        + ["tiktok-shop", "braintree"].map {
            Platform(id: $0, secret: "key:" + hex, foreign: "key:" + other, samples: Signing.samples(of: $0))
        }

    /// A request that nobody else sends, without its signature.
    func draft(to url: String, unique name: String) -> WebhookDraft {
        let json: JSON = [
            "id": .string("evt_" + name), "object": "event", "type": "price.created", "created": 1_795_255_200,
            "data": ["object": ["object": "price", "id": .string("price_" + name)]],
        ]
        guard let sample = samples.randomElement() else { return WebhookSample.Content.json(json).draft(to: url) }
        let content = sample.content(
            WebhookSample.Ingredients(
                id: { "\($0)\(name)_\(UInt32.random(in: 0 ... .max))" },
                digits: { count in String((0..<count).map { $0 == 0 ? "1" : "0123456789".randomElement() ?? "0" }) },
                at: .system))
        switch content {
        // What makes a text or a form of a platform one of a kind is not for a sample to say.
        case .form(let fields): return WebhookSample.Content.form(fields + [Field("Unique", name)]).draft(to: url)
        case .json(.object(let members)):
            return WebhookSample.Content.json(.object(members + [JSONMember("unique", .string(name))])).draft(to: url)
        case .xml(let text):
            return WebhookSample.Content.xml(text.replacing("<kind>", with: "<unique>\(name)</unique><kind>"))
                .draft(to: url)
        case .json: return content.draft(to: url)
        }
    }
}

/// Sends its events in any order, each until it is acknowledged, and much besides that no sender should.
private struct Sender {
    let number: Int
    let platform: Platform
    let server: ServerProcess
    let ledger: TortureLedger

    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 400
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    func run(_ count: Int) async throws {
        guard let scheme = Signing.scheme(of: platform.id) else { throw ServerDied(log: "no \(platform.id)") }
        let url = "http://127.0.0.1:\(server.port)/webhooks/\(platform.id)"
        let (secrets, foreign) = (try scheme.secrets(in: platform.secret), try scheme.secrets(in: platform.foreign))
        let drafts = (0..<count).map { platform.draft(to: url, unique: "\(number)x\($0)") }
        for (turn, draft) in drafts.shuffled().enumerated() {
            func signed(_ with: [WebhookSecret]) -> WebhookDraft {
                scheme.signed(draft, with: with, id: "msg_\(number)_\(turn)", at: .system)
            }
            switch Int.random(in: 0..<6) {
            case 0: await forge(signed(foreign), "another secret")
            case 1: await corrupt(signed(secrets))
            case 2: cut(signed(secrets))
            default: break
            }
            try await deliver(signed, secrets)
            let genuine = signed(secrets)
            let delivery = Delivery(
                method: "POST", target: "/", url: url, headers: genuine.headers, body: genuine.body, receivedAt: .system
            )
            ledger.kept(Kept(platform.id, genuine.body), events: try scheme.events(delivery).count)
            if Bool.random() { _ = try? await Self.send(signed(secrets), slowly: false) }  // A repetition.
        }
    }

    private func deliver(_ signed: ([WebhookSecret]) -> WebhookDraft, _ secrets: [WebhookSecret]) async throws {
        for _ in 0..<4000 {
            let status = try? await Self.send(signed(secrets), slowly: Int.random(in: 0..<8) == 0)  // No answer: again.
            if let status, (200..<300).contains(status) { return }
            if let status, status != 503 { ledger.unexpected(status, "\(platform.id), genuine") }
            try await Task.sleep(for: .milliseconds(25))
        }
        throw ServerDied(log: "never acknowledged\n" + server.logText)
    }

    private func forge(_ draft: WebhookDraft, _ what: String) async {
        let status = try? await Self.send(draft, slowly: false)  // The server may be dead at that moment.
        ledger.refused(status, "\(platform.id), \(what)")
    }

    /// One letter of the body is another. Forms may say the same in other bytes, so theirs stay.
    private func corrupt(_ draft: WebhookDraft) async {
        guard let place = draft.body.lastIndex(where: { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }),
            draft.body.first == UInt8(ascii: "{")
        else { return }
        var body = draft.body
        body[place] = body[place] == UInt8(ascii: "q") ? UInt8(ascii: "z") : UInt8(ascii: "q")
        await forge(WebhookDraft(url: draft.url, headers: draft.headers, body: body), "changed")
    }

    /// Announces the whole and sends half.
    private func cut(_ draft: WebhookDraft) {
        guard let socket = try? RawSocket(port: server.port) else { return }  // Dead at that moment.
        let head = draft.headers.map { "\($0.name): \($0.value)\r\n" }.joined()
        socket.send(
            "POST /webhooks/\(platform.id) HTTP/1.1\r\nHost: x\r\n\(head)Content-Length: \(draft.body.count)\r\n\r\n")
        socket.send(Array(draft.body.prefix(draft.body.count / 2)))
    }

    static func send(_ draft: WebhookDraft, slowly: Bool) async throws -> Int {
        var request = HTTPClientRequest(url: draft.url)
        request.method = .POST
        for header in draft.headers { request.headers.add(name: header.name, value: header.value) }
        let body = draft.body
        if slowly {
            let pieces = AsyncStream<ByteBuffer> { stream in
                let task = Task {
                    for start in stride(from: 0, to: body.count, by: max(1, body.count / 4)) {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 1...30)))
                        stream.yield(ByteBuffer(bytes: body[start..<min(body.count, start + max(1, body.count / 4))]))
                    }
                    stream.finish()
                }
                stream.onTermination = { _ in task.cancel() }
            }
            request.body = .stream(pieces, length: .known(Int64(body.count)))
        } else {
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let answer = try await client.execute(request, timeout: .seconds(60))
        _ = try? await answer.body.collect(upTo: 1 << 20)  // Only the status counts.
        return Int(answer.status.code)
    }
}
