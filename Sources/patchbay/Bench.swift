import ArgumentParser
import Engine
import Glibc
import Kit
import Server
import ServiceLifecycle
import Store
import UnixSignals

/// What `Benchmarks/run` measures that cannot be seen from outside. Hidden: of no use to who runs a server.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Parts of the server for Benchmarks/run to measure.", shouldDisplay: false,
        subcommands: [
            BenchGateway.self, BenchJobs.self, BenchStart.self, BenchFairness.self, BenchOutward.self,
            BenchQuotas.self, BenchSenders.self, BenchSign.self, BenchVerification.self, BenchDay.self,
        ])
}

/// The HTTP server alone: deliveries are kept, their jobs wait. With `--without-store` nothing is kept at all, which
/// shows what the store costs. Beside the store everything is as in `serve`.
struct BenchGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway", abstract: "Serves HTTP and keeps deliveries; runs no jobs, sends nothing.")

    @OptionGroup var options: SettingsOptions
    @Flag(help: "Answers 200 and keeps nothing.")
    var withoutStore = false
    @Flag(help: "Runs everything, and keeps to no platform's limits: a simulated platform has none.")
    var withoutQuotas = false

    func run() async throws {
        Machine.prepare()
        let settings = try options.settings(adding: ["PATCHBAY_MODE": "test"])
        let logger = LogOutput.logger(settings.log)
        let instance: Instance
        do {
            if withoutStore {
                instance = try await Instance.make(settings, logger: logger) { _, arrivals in
                    arrivals.map { Kept(new: $0.events.count, duplicates: 0) }
                }
            } else {
                instance = try await Instance.make(settings, logger: logger, keepsQuotas: !withoutQuotas)
            }
            try await instance.begin()
            let health = try await instance.database.health()
            say("store: \(health.engine) \(health.version), \(health.durability)")
        } catch {
            throw Fault("\(error)", code: 1)
        }
        try await ServiceGroup(
            configuration: .init(
                services: (withoutQuotas ? instance.services : []).map { .init(service: $0) }
                    + [.init(service: try instance.httpServer())],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: LogOutput.quiet(from: logger))
        ).run()
        await instance.close()
    }
}

/// Durations by size.
struct Percentiles {
    private let sorted: [Duration]
    init(_ durations: [Duration]) { sorted = durations.sorted() }

    /// In microseconds: nearest rank.
    var json: JSON {
        func at(_ part: Double) -> JSON {
            guard let last = sorted.last else { return .null }
            let index = Int(Double(sorted.count) * part)
            return JSON((index < sorted.count ? sorted[index] : last).microseconds)
        }
        return [
            "count": JSON(sorted.count), "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99), "max_us": at(1),
        ]
    }
}

extension JSON {
    /// A line of output.
    var outputLine: String { String(decoding: bytes, as: UTF8.self) }
}
