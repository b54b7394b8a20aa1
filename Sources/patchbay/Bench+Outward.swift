import ArgumentParser
import Engine
import Glibc
import Kit
import Server
import ServiceLifecycle
import Store
import Stripe
import UnixSignals

/// Sends kept events to endpoints at one sink, as fast as it goes.
struct BenchOutward: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outward",
        abstract: "Keeps events, then sends each to all endpoints at a sink.",
        discussion: """
            Prints a line `PATH SECRET` for each endpoint, then `ready`; begins to send when it reads a line.
            Runs until it is told to stop.
            """)

    @OptionGroup var options: SettingsOptions
    @Option(help: "Where the endpoints are: http://127.0.0.1:9000")
    var sink: String
    @Option(help: "Endpoints, each with 16 requests under way.")
    var endpoints = 4
    @Option(help: "Events of 2 KB; each goes to every endpoint.")
    var events = 10_000

    private static let webhookSecret = "whsec_bench"
    private static let fillers = 64

    func run() async throws {
        Machine.prepare()
        let settings = try options.settings(adding: [
            "PATCHBAY_MODE": "test", "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8",
            "STRIPE_WEBHOOK_SECRET": Self.webhookSecret,
        ])
        let logger = LogOutput.logger(settings.log)
        let instance: Instance
        do {
            instance = try await Instance.make(settings, logger: logger)
            try await instance.begin()
            for number in 0..<endpoints {
                let made = try await instance.endpoints.create(url: "\(sink)/\(number)", types: ["event.received"])
                made.secret.secret?.reveal { say("/\(number) \(String(decoding: $0, as: UTF8.self))") }
            }
            try await fill(instance)
        } catch {
            throw Fault("\(error)", code: 1)
        }
        say("ready")
        _ = readLine()
        try await ServiceGroup(
            configuration: .init(
                services: instance.services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint],
                logger: LogOutput.quiet(from: logger))
        ).run()
        await instance.close()
    }

    /// Events of a type that nothing here acts on: each is one change and no job.
    private func fill(_ instance: Instance) async throws {
        let scheme = Stripe().webhooks
        let secrets = try scheme.secrets(in: Self.webhookSecret)
        let (events, run) = (events, Timestamp.system.microseconds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for filler in 0..<Self.fillers {
                group.addTask {
                    for number in stride(from: filler, to: events, by: Self.fillers) {
                        let body = Self.event(run: run, number)
                        let delivery = Delivery(
                            method: "POST", target: "/webhooks/stripe",
                            headers: scheme.sign(body, with: secrets, at: .system), body: body, receivedAt: .system)
                        let reply = await instance.gateway.receive(delivery, for: "stripe", owner: nil, from: nil)
                        guard case .kept = reply else { throw Fault("An event was not kept: \(reply)", code: 1) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// 2 KB, as a platform would send.
    private static func event(run: Int64, _ number: Int) -> [UInt8] {
        let event: JSON = [
            "id": .string("evt_1Bench\(run)\(number)"), "object": "event", "api_version": "2026-10-28.endive",
            "created": JSON(Timestamp.system.seconds), "livemode": false, "pending_webhooks": 1,
            "type": "product.updated",
            "data": [
                "object": [
                    "id": .string("prod_Bench\(number)"), "object": "product", "active": true, "name": "A loaf of rye",
                    "description": .string(String(repeating: "Bread, rolls and a loaf of rye. ", count: 54)),
                ]
            ],
        ]
        return event.bytes
    }
}
