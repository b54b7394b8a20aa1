import ArgumentParser
import Engine
import Foundation
import Logging
import Server
import ServiceLifecycle
import Store
import UnixSignals

/// Runs the server until it is told to stop.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the server: HTTP, jobs, endpoints.",
        discussion: """
            Examples:
              patchbay serve
              PATCHBAY_DATABASE_URL=postgresql://patchbay@db/patchbay patchbay serve --config /etc/patchbay.env
            """)

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        Machine.prepare()
        let settings = try options.settings()
        let logger = LogOutput.logger(settings.log)
        let instance: Instance
        do {
            instance = try await Instance.make(settings, logger: logger)
            try await instance.begin()
        } catch {
            throw Fault("\(error)", code: 1)
        }
        try await run(instance)
    }

    private func run(_ instance: Instance) async throws {
        let http = try instance.httpServer()
        let group = ServiceGroup(
            configuration: .init(
                services: (instance.services + [http]).map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: instance.logger))
        try await group.run()
        await instance.database.close()
        instance.logger.notice("server.stopped")
    }
}

/// The flags that stand for settings.
struct SettingsOptions: ParsableArguments {
    @Option(help: "A file of NAME=value lines; see patchbay.env.example.")
    var config: String?
    @Option(help: "PATCHBAY_DATABASE_URL: sqlite:FILE or postgresql://…")
    var database: String?
    @Option(help: "PATCHBAY_LISTEN: address and port.")
    var listen: String?

    func settings(isDemo: Bool = false) throws -> Settings {
        var flags: [String: String] = [:]
        flags["PATCHBAY_DATABASE_URL"] = database
        flags["PATCHBAY_LISTEN"] = listen
        do {
            return try Settings.load(
                flags: flags, environment: ProcessInfo.processInfo.environment, file: config, isDemo: isDemo)
        } catch {
            throw Fault("\(error)", code: 2)
        }
    }
}

/// A sentence on standard error and an exit code: 1 a check failed, 2 usage, 3 not reachable, 4 needs a person.
struct Fault: Error, CustomStringConvertible {
    let description: String
    let code: Int32
    init(_ sentence: String, code: Int32) {
        description = sentence
        self.code = code
    }
}
