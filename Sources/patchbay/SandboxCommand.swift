import ArgumentParser
import Engine
import Foundation
import Kit
import Logging
import Sandbox
import Server
import ServiceLifecycle
import UnixSignals

/// Simulated platforms, to develop and test against.
struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Simulates platforms on loopback: their APIs, signed webhooks, faults and a clock that you move.",
        discussion: """
            The first line of output is a JSON object: the control address, and for each platform what a client must be
            told. Ends with SIGTERM or Ctrl-C. What it takes: docs/sandbox.md.

            Examples:
              patchbay sandbox --ephemeral --seed 7 --port 0
              patchbay sandbox --webhook-url http://127.0.0.1:8484/webhooks/stripe --webhook-secret whsec_… --story 0.5
            """)

    @Option(help: "The port of the control interface; the platforms take the next ones. 0 takes any.")
    var port = 0
    @Flag(help: "Keeps nothing.")
    var ephemeral = false
    @Option(help: "Where everything is kept; patchbay-sandbox.journal unless said.")
    var file: String?
    @Option(help: "Makes ids and choices repeatable; drawn unless said. A file that is there has its own.")
    var seed: UInt64?
    @Option(
        help: "Where webhooks go from the start: a platform, = and the address; without a platform they are Stripe's.")
    var webhookURL: [String] = []
    @Option(help: "What signs them; drawn unless said.")
    var webhookSecret: String?
    @Option(help: "Types that are sent, commas between, * for any part; all unless said.")
    var webhookTypes = "*"
    @Option(name: .customLong("key"), help: "A key by platform and name, such as tiktok.client_secret=…; else drawn.")
    var keys: [String] = []
    @Option(help: "The API key of the simulated account; drawn unless said.")
    var secretKey: String?
    @Option(help: "Lets a story go on, with so many events a second; 0 stops it.")
    var story: Double?
    @Flag(help: "Ends when its standard input does: for a program that starts it.")
    var untilInputEnds = false

    func validate() throws {
        guard (0...65_000).contains(port) else { throw ValidationError("--port takes 0 to 65000.") }
        guard !ephemeral || file == nil else {
            throw ValidationError("--ephemeral keeps nothing, and --file says where to keep it. Leave one out.")
        }
        if let story, !(0...1000).contains(story) { throw ValidationError("--story takes 0 to 1000 events a second.") }
        _ = try furniture()
        if let webhookSecret, webhookSecret.utf8.count < WebhookSecret.shortest {
            throw ValidationError(
                "--webhook-secret has fewer than \(WebhookSecret.shortest) characters: it can be guessed.")
        }
        if let secretKey, !secretKey.hasPrefix("sk_test_") {
            throw ValidationError("--secret-key begins with sk_test_: the sandbox is a test account.")
        }
    }

    /// What each platform begins with.
    private func furniture() throws -> [String: Furniture] {
        let types = webhookTypes.split(separator: ",").map { $0.filter { !$0.isWhitespace } }
        var all: [String: Furniture] = [:]
        for platform in Sandbox.platforms { all[platform.id] = Furniture(webhookTypes: types) }
        all["stripe"]?.keys["secret_key"] = secretKey
        all["stripe"]?.keys["webhook_secret"] = webhookSecret
        for text in webhookURL {
            let named = Sandbox.platforms.first { text.hasPrefix($0.id + "=") }
            let url = named.map { String(text.dropFirst($0.id.count + 1)) } ?? text
            do { _ = try OutsideURL(url) } catch { throw ValidationError("--webhook-url: \(error.reason)") }
            all[named?.id ?? "stripe"]?.webhookURL = url
        }
        for text in keys {
            let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
            let name = (sides.first ?? "").split(separator: ".", maxSplits: 1).map(String.init)
            let platform = Sandbox.platforms.first { $0.id == name.first }
            guard sides.count == 2, let platform, let key = name.last, platform.keys.contains(key) else {
                let known = Sandbox.platforms.flatMap { platform in platform.keys.map { "\(platform.id).\($0)" } }
                throw ValidationError("--key takes NAME=VALUE. Names: \(known.joined(separator: ", ")).")
            }
            guard !key.hasSuffix("secret") || sides[1].utf8.count >= WebhookSecret.shortest else {
                throw ValidationError(
                    "--key \(platform.id).\(key) is shorter than \(WebhookSecret.shortest) characters: "
                        + "it can be guessed.")
            }
            all[platform.id]?.keys[key] = sides[1]
        }
        return all
    }

    func run() async throws {
        Machine.prepare()
        if untilInputEnds { Lifeline.follow() }
        var options = Sandbox.Options()
        options.port = port
        options.file = ephemeral ? nil : file ?? "patchbay-sandbox.journal"
        options.seed = seed
        options.furniture = try furniture()
        options.story = story
        let sandbox: Sandbox
        do {
            sandbox = try Sandbox(
                options, random: .random(in: 0...UInt64(UInt32.max)), clock: { Timestamp.system },
                abandon: { fault in
                    FileHandle.standardError.write(Data("patchbay: \(fault)\n".utf8))
                    Foundation.exit(1)
                })
        } catch {
            throw Fault("\(error)", code: 1)
        }
        var logger = Logger(label: "sandbox")
        logger.logLevel = .critical
        var configuration = ServiceGroupConfiguration(
            services: sandbox.services { say(String(decoding: $0.bytes, as: UTF8.self)) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        // Whoever still holds a connection then is cut off.
        configuration.maximumGracefulShutdownDuration = .seconds(2)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch is CancellationError {
            // A connection was open still; everything is kept.
        } catch let error as ServiceGroupError {
            throw Fault("A part of the sandbox ended by itself (\(error.errorCode)).", code: 1)
        } catch {
            throw Fault(
                "The sandbox ended: \(error). Is a port from \(port) on taken? --port 0 takes any.", code: 1)
        }
    }
}
