import ArgumentParser
import Engine
import Kit
import Server

/// Decisions of the limiter: a take and its settlement each, in memory.
struct BenchQuotas: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quotas", abstract: "Takes and settles units of quotas; prints how many decisions a second.")

    @Option(help: "Keys that are counted, each in four windows.")
    var keys = 10_000
    @Option(help: "Tasks that take at the same time.")
    var tasks = 2
    @Option(help: "How long.")
    var seconds = 5

    func run() async throws {
        Machine.prepare()
        let about = About(id: "bench", name: "Bench", version: "1", documentation: "https://example.com")
        let windows: [Duration] = [.seconds(1), .minutes(1), .minutes(15), .days(1)]
        // Above what can be taken: the decision is measured, not how fast a refusal is.
        let limits = windows.map { Quota.Limit(Quota.Limit.unitsMax, per: .rolling($0)) }
        let quota = CountedQuota(Quota("calls", limits, for: .connection), of: about)
        let needs = (0..<max(1, keys)).map { [QuotaNeed(1, of: quota, for: "conn_\($0)")] }
        let limiter = Limiter(time: .system)
        let before = Machine.residentBytes
        for need in needs { limiter.settle(try limiter.take(need, as: Claimant("bench", .sync))) }
        let bytes = (Machine.residentBytes - before) / max(1, keys)
        let (tasks, seconds) = (max(1, tasks), seconds)
        let began = ContinuousClock.now
        let end = began + .seconds(seconds)
        let decisions = await withTaskGroup(of: Int.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    let claimant = Claimant("bench-\(task)", .sync)
                    var (count, place) = (0, task * needs.count / tasks)
                    while ContinuousClock.now < end {
                        for _ in 0..<1000 {
                            place = (place + 7919) % needs.count
                            guard let ticket = try? limiter.take(needs[place], as: claimant) else { continue }
                            limiter.settle(ticket)
                            count += 1
                        }
                    }
                    return count
                }
            }
            return await group.reduce(0, +)
        }
        let took = ContinuousClock.now - began
        say(
            ([
                "decisions": JSON(decisions), "per_second": JSON(Int(Double(decisions) / took.inSeconds)),
                "bytes_a_key": JSON(bytes),
            ] as JSON).outputLine)
    }
}
