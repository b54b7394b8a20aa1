import ArgumentParser
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

/// Starts a server with a life of its own, sends it what Stripe would send, and prints what became of it.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts a test server in .patchbay-demo, sends it signed Stripe events, shows what became of them.",
        discussion: """
            Examples:
              patchbay demo
              patchbay demo --once --port 0
            """)

    @Option(help: "The port of the server; 0 takes any.")
    var port = 8484
    @Flag(help: "Ends when the story has been told.")
    var once = false
    @Option(help: "Where the demo keeps its data.")
    var folder = ".patchbay-demo"

    func run() async throws {
        Machine.prepare()
        let began = ContinuousClock.now
        let home = try DemoHome(folder)
        let port = try FreePort.first(from: self.port)
        if port != self.port { say("Port \(self.port) is taken; the demo takes \(port).") }
        let settings = try SettingsOptions.parse([]).settings(isDemo: true, adding: home.settings(port: port))
        let instance: Instance
        do { instance = try await Instance.make(settings, logger: LogOutput.logger(settings.log)) } catch {
            throw Fault("\(error)", code: 1)
        }
        let story = DemoStory(
            instance: instance, base: "http://127.0.0.1:\(port)", secret: Secret(home.webhookSecret), once: once,
            began: began)
        try await Serve.run(instance, beside: [story])
        say("stopped, everything kept in \(folder)")
    }
}

/// The demo's folder: database, key and secret, made once and kept.
struct DemoHome {
    private let folder: URL
    let webhookSecret: String
    private let encryptionKey: String

    init(_ path: String) throws {
        folder = URL(fileURLWithPath: path)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let ids = Identifiers(now: { Timestamp.system })
            encryptionKey = try Self.kept(folder.appendingPathComponent("encryption-key")) {
                Keyring.written(id: "demo", ids.bytes(32))
            }
            webhookSecret = try Self.kept(folder.appendingPathComponent("stripe-webhook-secret")) {
                "whsec_demo_" + ids.bytes(16).map { String($0, radix: 16) }.joined()
            }
        } catch {
            throw Fault("\(path) cannot be used: \(error.localizedDescription)", code: 1)
        }
    }

    func settings(port: Int) -> [String: String] {
        [
            "PATCHBAY_MODE": "test",
            "PATCHBAY_DATABASE_URL": "sqlite:\(folder.appendingPathComponent("patchbay.sqlite").path)",
            "PATCHBAY_LISTEN": "127.0.0.1:\(port)", "PATCHBAY_ENCRYPTION_KEYS": encryptionKey,
            "STRIPE_WEBHOOK_SECRET": webhookSecret, "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8",
            "PATCHBAY_LOG": "text,error",
        ]
    }

    /// A secret in a file that only its owner may read.
    private static func kept(_ file: URL, make: () -> String) throws -> String {
        if let text = try? String(contentsOf: file, encoding: .utf8), !text.isEmpty { return text }  // Else made now.
        let text = make()
        guard
            FileManager.default.createFile(
                atPath: file.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw Fault("\(file.path) cannot be written.", code: 1) }
        return text
    }
}
