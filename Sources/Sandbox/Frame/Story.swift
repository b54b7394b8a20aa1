import Kit
import ServiceLifecycle

/// An ongoing life among the simulated customers: one act after the other, at the pace of a slider.
final class Story: Service {
    private let keeper: Keeper
    private let platforms: [any Platform]
    private let post: Post

    /// Events a second when it is calm: one every two seconds.
    static let calm = 0.5
    static let rateMax = 1000.0
    /// Slower is nothing at all: an event every seventeen minutes.
    static let rateMin = 0.001
    /// Letters that may wait before the story does.
    private static let waitingMax = 2000

    init(keeper: Keeper, platforms: [any Platform], post: Post) {
        self.keeper = keeper
        self.platforms = platforms
        self.post = post
    }

    /// Events a second and whether it goes on; kept in the world, so that it goes on after a restart.
    struct Pace: Sendable, Equatable {
        var rate: Double
        var isPaused: Bool

        var json: JSON { ["rate": .number("\(rate)"), "paused": .bool(isPaused)] }
    }

    static func pace(in world: World) -> Pace {
        let kept = world.object("frame.story", "pace")
        return Pace(
            rate: kept?["rate"]?.numberText.flatMap(Double.init) ?? calm, isPaused: kept?["paused"]?.boolean ?? true)
    }
    static func set(_ pace: Pace, in world: World) { world.put("frame.story", "pace", pace.json) }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var next = ContinuousClock.now
            while !Task.isCancelled {
                let pace = keeper.turn(Self.pace(in:))
                guard !pace.isPaused, pace.rate > 0, post.waiting < Self.waitingMax else {
                    guard (try? await Task.sleep(for: .milliseconds(200))) != nil else { return }  // Cancelled.
                    next = .now
                    continue
                }
                let events = act(at: pace.rate)
                next += .microseconds(Int64(Double(max(events, 1)) / max(pace.rate, Self.rateMin) * 1_000_000))
                if next < .now - .seconds(1) { next = .now }
                // A slider that was moved is seen within half a second, however calm the story was.
                while next > .now, keeper.turn(Self.pace(in:)) == pace {
                    let rest = min(next - .now, .milliseconds(500))
                    guard (try? await Task.sleep(for: rest)) != nil else { return }  // Cancelled.
                }
                if next > .now { next = .now }
            }
        }
    }

    /// How many events it brought.
    private func act(at rate: Double) -> Int {
        keeper.turn { world in
            world.stream = "story"
            world.pace = rate
            for platform in platforms { platform.act(in: world) }
            // Events that nobody takes have their pace too.
            return world.letters.isEmpty ? world.told : world.letters.count
        }
    }
}
