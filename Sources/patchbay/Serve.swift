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
        if settings.demo != nil { Lifeline.follow() }
        let logger = LogOutput.logger(settings.log)
        do { _ = try ServerTLS.configuration(for: settings, logger: logger) } catch {
            throw Fault("\(error)", code: 2)
        }
        for notice in settings.notices { logger.notice("settings.notice", metadata: ["notice": "\(notice)"]) }
        let instance: Instance
        do {
            instance = try await Instance.make(settings, logger: logger)
        } catch {
            throw Fault("\(error)", code: 1)
        }
        try await Serve.run(instance)
    }

    /// Runs until SIGTERM or SIGINT: then what has begun ends, and what waits is put back.
    static func run(_ instance: Instance, beside others: [any Service] = []) async throws {
        do {
            try await instance.begin()
            if let address = try await instance.operators.firstAddress(at: .system), !instance.settings.isDemo {
                say("Nobody can sign in yet. Set name and password, once, within 24 hours:\n  \(address)")
            }
        } catch { throw Fault("\(error)", code: 1) }
        let services = instance.services + [try instance.httpServer()]
        var configuration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }
                + others.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: LogOutput.quiet(from: instance.logger))
        // Jobs have 25 s to end; whoever still holds a connection then is cut off.
        configuration.maximumGracefulShutdownDuration = .seconds(27)
        let group = ServiceGroup(configuration: configuration)
        do {
            try await group.run()
        } catch is CancellationError {
            instance.logger.warning("server.cut_off")
        } catch let error as ServiceGroupError {
            // Its own description holds the services whole.
            await instance.close()
            throw Fault("A part of the server ended by itself (\(error.errorCode)). The log above says why.", code: 1)
        } catch {
            await instance.close()
            throw Fault("The server ended: \(error)", code: 1)
        }
        await instance.close()
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

    func settings(isDemo: Bool = false, adding more: [String: String] = [:]) throws -> Settings {
        var flags = more
        if let database { flags["PATCHBAY_DATABASE_URL"] = database }
        if let listen { flags["PATCHBAY_LISTEN"] = listen }
        do {
            return try Settings.load(
                flags: flags, environment: ProcessInfo.processInfo.environment, file: config, isDemo: isDemo)
        } catch {
            throw Fault("\(error)", code: 2)
        }
    }
}
