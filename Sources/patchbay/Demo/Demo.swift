import ArgumentParser
import Foundation
import Kit
import Server
import UnixSignals

/// A world to look at: simulated Stripe, a bakery's application, a server between them, each a process of its own.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts a world to look at: a simulated Stripe, a bakery's application, a server between them.",
        discussion: """
            Everything is on loopback and kept in .patchbay-demo; a second start goes on with what is there. Ctrl-C
            stops it.

            Examples:
              patchbay demo
              patchbay demo --port 9000 --folder /tmp/demo
            """,
        subcommands: [DemoApplication.self])

    @Option(help: "The server's port; the last one, else the first free one from 8484 on.")
    var port: Int?
    @Option(help: "Where the demo keeps its data.")
    var folder = ".patchbay-demo"

    func validate() throws {
        if let port, !(1...65_000).contains(port) { throw ValidationError("--port takes 1 to 65000.") }
    }

    func run() async throws {
        Machine.prepare()
        signal(SIGPIPE, SIG_IGN)
        let terminal = Terminal()
        let supervisor = try Supervisor(
            try DemoHome(folder), port: port, program: Self.program, terminal: terminal, began: .now)
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        var problem: (any Error)?
        await withTaskGroup(of: (any Error)?.self) { group in
            group.addTask {
                var isFirst = true
                for await _ in signals {
                    if isFirst { stop.yield() } else { await supervisor.killAll() }
                    isFirst = false
                }
                return nil
            }
            group.addTask {
                for await _ in stops { break }
                return nil
            }
            group.addTask {
                do { try await supervisor.live() } catch { return error }
                return nil
            }
            problem = await group.next() ?? nil
            if problem is CancellationError { problem = nil }
            await supervisor.stop()
            group.cancelAll()
        }
        if let problem { throw problem as? Fault ?? Fault("The demo ended: \(problem)", code: 1) }
        terminal.tell(.ok, "stopped, everything kept in \(folder)")
    }

    /// This very program, also where a newer one has taken its place.
    private static var program: String {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""  // Then below.
        return FileManager.default.isExecutableFile(atPath: path) ? path : "/proc/self/exe"
    }
}

/// The demo's application, which the demo starts as a process of its own.
struct DemoApplication: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "application", abstract: "The demo's application; the demo starts it.", shouldDisplay: false)

    // Names that the demo's own options do not have: those would be read as its.
    @Option var at: Int
    @Option var home: String
    @Option var sandbox: String
    @Option var dashboard: String

    func run() async throws {
        Machine.prepare()
        Lifeline.follow()
        do {
            let application = try BakeryApplication(
                port: at, folder: home, sandbox: sandbox, dashboard: dashboard)
            try await application.run()
        } catch { throw Fault("The application ended: \(error)", code: 1) }
    }
}
