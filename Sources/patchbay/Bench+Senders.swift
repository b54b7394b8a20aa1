import ArgumentParser
import Engine
import Kit
import Server

/// What it costs to remember who sends forgeries: memory, and how fast one is judged.
struct BenchSenders: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "senders", abstract: "Lets many addresses fail; prints the memory of it and decisions a second.")

    @Option(help: "Addresses, each of which fails twice.")
    var addresses = 200_000

    func run() async throws {
        Machine.prepare()
        let limits = FailureLimits()
        let names = (0..<max(1, addresses)).map { number in
            IPAddress.v4(0x0A00_0000 | UInt32(truncatingIfNeeded: number) & 0xFF_FFFF).description
        }
        let before = Machine.residentBytes
        let began = ContinuousClock.now
        for _ in 0..<2 {
            for name in names { _ = limits.passes(from: name, at: .system) }
        }
        let took = ContinuousClock.now - began
        say(
            ([
                "remembered": JSON(limits.sourceCount), "bytes": JSON(max(0, Machine.residentBytes - before)),
                "per_second": JSON(Int(Double(names.count) * 2 / took.inSeconds)),
            ] as JSON).outputLine)
    }
}
