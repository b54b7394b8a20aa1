import Foundation
import Hummingbird
import Kit
import Store
import TestSupport
import Testing

@testable import Engine
@testable import Server

/// Not a test of its own: serves the API with something of everything for Tests/Counterparties/schemathesis, until the
/// script removes the file that it names.
@Suite("A server for Schemathesis")
struct SchemathesisServer {
    static let environment = ProcessInfo.processInfo.environment
    /// The ids that the document gives as examples, so that its examples find something.
    static let tail = "01kb2c3d4e5f6g7h8j9k0m1n2p"

    @Test("serve", .enabled(if: environment["SCHEMATHESIS_PORT"] != nil))
    func serve() async throws {
        let port = try #require(Self.environment["SCHEMATHESIS_PORT"].flatMap { Int($0) })
        let file = try #require(Self.environment["SCHEMATHESIS_FILE"])
        let engine = TestEngine(rawValue: Self.environment["SCHEMATHESIS_ENGINE"] ?? "") ?? .sqlite
        try await TestDatabase.with(engine) { database in
            let ids = Identifiers(now: { Timestamp.system })
            var hooks = TestAPI.endpointHooks(database, ids)
            hooks.deciders = Hooks.deciders(ids: ids, database: database) { _ throws(Unreadable) in
                throw Unreadable("Nothing here reads it.")
            }
            let app = App(
                database: database, ids: ids, now: { Timestamp.system }, settings: .test, logger: .quiet, hooks: hooks)
            try await Self.seed(app)
            let key = try await TestAPI.makeKey(app, ["admin"])
            let server = Application(
                router: makeRouter(app), configuration: .init(address: .hostname("127.0.0.1", port: port)),
                logger: .quiet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                try key.write(toFile: file, atomically: true, encoding: .utf8)
                while FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(200)) }
                group.cancelAll()
            }
        }
    }

    static func seed(_ app: App) async throws {
        let now = app.now()
        let body = Array(#"{"id":"evt_1","amount":1.10}"#.utf8)
        let event = Event(
            identity: EventIdentity(day: now.day, of: [1]), providerEventID: "evt_1", type: "invoice.paid",
            body: body.indices)
        let arrival = Arrival(
            id: ID(stored: "dlv_" + tail), provider: "stripe", app: ID(stored: "app_" + tail), receivedAt: now,
            method: "POST",
            target: Array("/webhooks/stripe".utf8), headers: Array("a: b".utf8), remote: "127.0.0.1", body: body,
            checksum: Checksum.of(body), flags: nil, reason: nil,
            events: [ArrivingEvent(id: ID(stored: "evt_" + tail), event: event, job: nil, change: nil)], review: nil)
        let job = NewJob(
            id: ID(stored: "job_" + tail), kind: "test.kind", lane: Lane("a", .event), dueAt: now + .hours(1),
            createdAt: now,
            input: Array("{}".utf8))
        let review = NewReview(
            id: ID(stored: "rev_" + tail), kind: "event_without_user", subject: "stripe/cus_1", question: "Whose?",
            evidence: "{}",
            choices: ["assign", "ignore"], provider: "stripe", openedAt: now, changeID: app.ids.make())
        let alert = NewAlert(
            id: ID(stored: "alr_" + tail), kind: .jobDead, subject: "x", summary: "A job died.",
            action: "Look at it.", at: now,
            changeID: app.ids.make())
        let key = KeyRow(
            id: ID(stored: "key_" + tail), name: "example", scopes: ["read"], hint: "…", apiVersion: APIVersion.current,
            createdAt: now)
        let node = app.ids.make(NodeKind.self)
        let (secretID, endpointID): (ID<EndpointSecretKind>, ID<EndpointKind>) = (
            app.ids.make(), ID(stored: "ep_" + tail)
        )
        let sealed = try TestAPI.vault.seal(
            Array(StandardSignature.secret(from: [UInt8](repeating: 9, count: 32)).utf8),
            context: EndpointSigner.context(secretID, of: endpointID))
        let secret = NewEndpointSecret(
            id: secretID, endpoint: endpointID, sealed: sealed.bytes, keyID: sealed.keyID, publicKey: nil,
            createdAt: now)
        let endpoint = NewEndpoint(
            id: secret.endpoint, url: "https://app.example.com/", description: nil, types: [], orderedBy: .none,
            signedBy: .hmac, secret: secret, createdAt: now)
        try await app.database.write("seed") { session in
            _ = try session.keep([arrival])
            try session.enqueue([job])
            _ = try session.open(review)
            try session.raise(alert)
            try session.add(key, hash: [0])
            try session.insert(endpoint)
            try session.openNode(node, host: "here", process: 1, program: "test", at: now)
        }
        try await app.database.set("sequence", in: .work) { _ = try $0.sequence(100) }
    }
}
