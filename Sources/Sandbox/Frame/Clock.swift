import Kit
import ServiceLifecycle

/// Runs what falls due on the sandbox's clock, second by second or a month at once.
final class Clock: Service {
    private let keeper: Keeper
    private let platforms: [any Platform]

    /// One jump.
    static let secondsMax: Int64 = 400 * 86_400

    init(keeper: Keeper, platforms: [any Platform]) {
        self.keeper = keeper
        self.platforms = platforms
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while (try? await Task.sleep(for: .seconds(1))) != nil { _ = runDue(by: keeper.now.seconds) }  // Cancelled.
        }
    }

    /// Moves the clock, and runs what falls due on the way, each at its own time. How much that was.
    func advance(_ seconds: Int64) -> Int {
        let target = keeper.now.seconds + seconds
        let count = runDue(by: target)
        keeper.turn { world in world.be(ahead: max(world.ahead, target - keeper.realSeconds)) }
        return count
    }

    private func runDue(by time: Int64) -> Int {
        var count = 0
        while true {
            let ran = keeper.turn { world -> Bool in
                guard let due = world.schedule.next(by: time) else { return false }
                world.due(due.key, at: nil)
                world.be(ahead: max(world.ahead, due.at - keeper.realSeconds))
                world.beNow(max(due.at, 0))
                let parts = due.key.split(separator: " ", maxSplits: 1).map(String.init)
                if let platform = platforms.first(where: { $0.id == parts.first }), let rest = parts.last {
                    platform.due(rest, in: world)
                }
                return true
            }
            guard ran else { return count }
            count += 1
        }
    }
}
