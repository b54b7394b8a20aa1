import AsyncHTTPClient
import Engine
import Foundation
import Kit
import NIOCore
import NIOHTTP1
import Server
import ServiceLifecycle
import Store
import Stripe

/// What the demo sends, and what it shows.
struct DemoStory: Service {
    let instance: Instance
    let base: String
    let secret: Secret
    let once: Bool
    let began: ContinuousClock.Instant

    func run() async throws {
        let receiver = Receiver(port: try FreePort.first(from: 0))
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await receiver.run() }
                    group.addTask { try await tell(receiver) }
                    try await group.next()
                    group.cancelAll()
                }
            }
        } catch is CancellationError {
            // The server was told to stop: so is the story.
        }
    }

    private func tell(_ receiver: Receiver) async throws {
        try await waitUntilReady()
        let key = try await KeyMaking.make(
            name: "demo", scopes: ["admin"], settings: instance.settings, database: instance.database,
            ids: instance.ids,
            at: .system, by: "demo")
        try await forgetEarlierRuns()
        let endpoint = try await instance.endpoints.create(
            url: receiver.url, description: Self.application, types: ["user.*"])
        if let secret = endpoint.secret.secret { try receiver.trust(secret) }
        let seconds =
            Double((ContinuousClock.now - began).components.attoseconds) / 1e18
            + Double((ContinuousClock.now - began).components.seconds)
        say(
            """
            Patchbay \(Instance.version) serves at \(base) (test, SQLite), \
            ready after \(String(format: "%.1f", seconds)) s.\n
            """
        )

        let story = StripeStory(run: Int(Date().timeIntervalSince1970))
        try await send(story)

        say("The application receives, signed by us (Standard Webhooks):")
        for await received in receiver.received {
            let data = received.body["data"]
            say(
                """
                  \(received.type) \(received.isProven ? "verified" : "NOT VERIFIED"): \
                \(data?["user_id"]?.text ?? "?") is \
                \(data?["subscription_status"]?.text ?? data?["status"]?.text ?? "?")
                """
            )
            if data?["subscription_status"]?.text == "active" || data?["status"]?.text == "active" { break }
        }
        let shown = key.reveal { String(decoding: $0, as: UTF8.self) }
        say(
            """

            Look at it yourself:
              export PATCHBAY_API_KEY=\(shown)
              curl -H "Authorization: Bearer $PATCHBAY_API_KEY" \(base)/v1/events
              curl -H "Authorization: Bearer $PATCHBAY_API_KEY" \(base)/v1/users/\(story.user)
              curl -H "Authorization: Bearer $PATCHBAY_API_KEY" "\(base)/v1/deliveries?verdict=rejected"
            """)
        if once { return }
        say("\nCtrl-C ends it; everything is kept.")
        try await Task.sleep(for: .seconds(365 * 86_400))
    }

    /// Earlier runs' application is gone, and its port with it.
    private func forgetEarlierRuns() async throws {
        let endpoints = try await instance.database.read("demo.endpoints") { try $0.endpoints(limit: 1000) }
        for old in endpoints where old.description == Self.application {
            _ = try await instance.endpoints.delete(old.id)
        }
    }
    private static let application = "The demo's application"

    private func send(_ story: StripeStory) async throws {
        say("Stripe sends, signed with its webhook secret:")
        for (event, body) in story.events {
            say("  \(event.padding(toLength: 42, withPad: " ", startingAt: 0)) → \(try await deliver(body))")
        }
        say(
            """
              \("the last one once more".padding(toLength: 42, withPad: " ", startingAt: 0)) → \
            \(try await deliver(story.events[story.events.count - 1].body)), counted as a repetition
            """
        )
        say(
            """
              \("the same, forged".padding(toLength: 42, withPad: " ", startingAt: 0)) → \
            \(try await deliver(story.events[0].body, secret: Secret("whsec_somebody_elses_secret"))), \
            kept for you to look at\n
            """
        )
    }

    private func waitUntilReady() async throws {
        for _ in 0..<500 {
            if let answer = try? await HTTPClient.shared.execute(.init(url: base + "/livez"), timeout: .seconds(2)),
                answer.status == .ok
            {
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Fault("The server did not answer within ten seconds.", code: 1)
    }

    /// The status of the answer, in words.
    private func deliver(_ body: [UInt8], secret: Secret? = nil) async throws -> String {
        let scheme = Stripe().webhooks
        let secrets = try (secret ?? self.secret).reveal { try scheme.secrets(in: String(decoding: $0, as: UTF8.self)) }
        let headers = scheme.sign(body, with: secrets, at: .system)
        var request = HTTPClientRequest(url: base + "/webhooks/stripe")
        request.method = .POST
        for header in headers { request.headers.add(name: header.name, value: header.value) }
        request.body = .bytes(ByteBuffer(bytes: body))
        let answer = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        return "\(answer.status.code)"
    }
}

/// How a subscription begins at Stripe, in the shapes of its API version 2026-10-28.
struct StripeStory {
    let user: String
    let events: [(type: String, body: [UInt8])]

    /// - Parameter run: makes ids that no earlier run used.
    init(run: Int) {
        user = "rye_\(run)"
        let (customer, subscription) = ("cus_Demo\(run)", "sub_1Demo\(run)")
        func object(_ status: String) -> JSON {
            [
                "id": .string(subscription), "object": "subscription", "customer": .string(customer),
                "status": .string(status),
                "cancel_at_period_end": false, "metadata": ["patchbay_user": .string("rye_\(run)")],
                "items": [
                    "object": "list", "has_more": false,
                    "data": [
                        [
                            "id": .string("si_Demo\(run)"), "object": "subscription_item",
                            "current_period_start": JSON(run),
                            "current_period_end": JSON(run + 2_592_000), "quantity": 1,
                            "price": ["id": "price_loaf_a_week", "object": "price"],
                        ]
                    ],
                ],
            ]
        }
        let card: JSON = ["brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030]
        let invoice: JSON = [
            "id": .string("in_1Demo\(run)"), "object": "invoice", "status": "paid", "customer": .string(customer),
            "currency": "usd", "amount_paid": 1999,
            "parent": [
                "type": "subscription_details", "subscription_details": ["subscription": .string(subscription)],
            ],
            "lines": [
                "object": "list", "has_more": false,
                "data": [["id": "il_1", "period": ["start": JSON(run), "end": JSON(run + 2_592_000)]]],
            ],
        ]
        let parts: [(String, JSON, JSON)] = [
            ("customer.subscription.created", object("incomplete"), .null),
            (
                "payment_method.attached",
                [
                    "id": .string("pm_Demo\(run)"), "object": "payment_method", "customer": .string(customer),
                    "type": "card", "card": card,
                ], .null
            ),
            ("invoice.paid", invoice, .null),
            ("customer.subscription.updated", object("active"), ["status": "incomplete"]),
        ]
        events = parts.enumerated().map { number, part in
            var data: [JSONMember] = [JSONMember("object", part.1)]
            if !part.2.isNull { data.append(JSONMember("previous_attributes", part.2)) }
            let event: JSON = [
                "id": .string("evt_1Demo\(run)\(number)"), "object": "event", "api_version": "2026-10-28.endive",
                "created": JSON(run + number), "livemode": false, "pending_webhooks": 1, "type": .string(part.0),
                "data": .object(data),
            ]
            return (part.0, event.bytes)
        }
    }
}
