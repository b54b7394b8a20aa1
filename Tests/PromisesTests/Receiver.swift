import Engine
import HTTPTypes
import Hummingbird
import Kit
import Logging
import NIOCore
import StandardWebhooks
import Synchronization

/// An application: takes our signed webhooks, verifies them as any receiver would, and tells of each.
final class Receiver: Sendable {
    struct Received: Sendable {
        let id: String
        let type: String
        let body: JSON
        let isProven: Bool
    }

    private let port: Int
    private let secrets = Mutex<[WebhookSecret]>([])
    private let stream: AsyncStream<Received>
    private let told: AsyncStream<Received>.Continuation

    init(port: Int) {
        self.port = port
        (stream, told) = AsyncStream.makeStream()
    }

    var url: String { "http://127.0.0.1:\(port)/hooks" }
    var received: AsyncStream<Received> { stream }

    /// What it verifies with, once the endpoint was made.
    func trust(_ secret: Secret) throws {
        let written = secret.reveal { String(decoding: $0, as: UTF8.self) }
        let parsed = try StandardWebhooks().webhooks.secrets(in: written)
        secrets.withLock { $0 = parsed }
    }

    func run() async throws {
        let router = Router()
        router.post("hooks") { request, _ in
            let body = try await request.body.collect(upTo: 1 << 20)
            let delivery = Delivery(
                method: "POST", target: "/hooks", headers: request.headers.map { Field($0.name.rawName, $0.value) },
                body: Array(body.readableBytesView), receivedAt: Timestamp.system)
            return Response(status: self.take(delivery) ? .noContent : .unauthorized)
        }
        var logger = Logger(label: "receiver")
        logger.logLevel = .critical
        try await Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger
        ).run()
    }

    private func take(_ delivery: Delivery) -> Bool {
        let isProven = (try? StandardWebhooks().webhooks.check(delivery, with: secrets.withLock { $0 })) != nil
        guard let body = try? JSON.parse(delivery.body) else { return false }
        told.yield(
            Received(
                id: delivery.headers["webhook-id"] ?? "", type: body["type"]?.text ?? "?", body: body,
                isProven: isProven))
        return isProven
    }
}
