public import Kit
public import ServiceLifecycle
import Synchronization

/// Simulated platforms, each on a port of its own, and a port to control them. A process of its own: what happened
/// at the platform is remembered although the server that talks to it is killed.
public final class Sandbox: Sendable {
    /// How one is started.
    public struct Options: Sendable {
        /// The port of the control interface; the platforms take the next ones. 0 takes any.
        public var port = 0
        /// Where everything is kept; nil keeps nothing.
        public var file: String?
        /// Ids and choices of a new world; nil draws one.
        public var seed: UInt64?
        /// What the platforms begin with, by their ids.
        public var furniture: [String: Furniture] = [:]
        /// Events a second of the story; nil leaves it as it is, paused in a new world.
        public var story: Double?

        public init() {}
    }

    private let options: Options
    private let keeper: Keeper
    private let platforms: [any Platform] = Platforms.all
    private let switches = Switches()
    private let post: Post
    private let fetcher: Fetcher
    private let clock: Clock

    /// - Parameters:
    ///   - random: the seed where none is named.
    ///   - clock: the real time.
    ///   - abandon: ends the process with a sentence, when the file takes no more.
    /// - Throws: `SandboxFault` where the file cannot be used.
    public init(
        _ options: Options, random: UInt64, clock: @escaping @Sendable () -> Timestamp,
        abandon: @escaping @Sendable (SandboxFault) -> Never
    ) throws(SandboxFault) {
        self.options = options
        let seed = options.seed ?? random & 0xFFFF_FFFF
        if let file = options.file {
            keeper = try Keeper(file: file, seed: seed, clock: clock, abandon: abandon)
        } else {
            keeper = Keeper(seed: seed, clock: clock)
        }
        post = Post(keeper: keeper, platforms: platforms, switches: switches)
        self.clock = Clock(keeper: keeper, platforms: platforms)
        fetcher = Fetcher(keeper: keeper, platforms: platforms)
        let (post, fetcher) = (post, fetcher)
        keeper.onMail { post.accept($0, rate: $1) }
        keeper.onErrands { fetcher.accept($0) }
        furnish()
    }

    /// The platforms that are simulated, and the names of the keys that each can be given.
    public static var platforms: [(id: String, keys: [String])] { Platforms.all.map { ($0.id, $0.keyNames) } }

    private func furniture(of platform: any Platform) -> Furniture { options.furniture[platform.id] ?? Furniture() }

    private func furnish() {
        keeper.turn { world in
            for platform in platforms { platform.furnish(world, furniture(of: platform)) }
            tellStory(in: world)
        }
    }

    private func tellStory(in world: World) {
        if let rate = options.story { Story.set(.init(rate: rate, isPaused: rate == 0), in: world) }
    }

    /// Everything as at the start; the same seed unless another is named. Keys stay: clients know them.
    private func reset(seed: UInt64?) {
        switches.set([])
        post.clear()
        let (furniture, platforms) = (platforms.map(furniture(of:)), platforms)
        let kept = keeper.turn { world in zip(platforms, furniture).map { $0.keys(in: world, $1) } }
        keeper.reset(seed: seed) { world in
            for (platform, furniture) in zip(platforms, kept) { platform.furnish(world, furniture) }
            tellStory(in: world)
        }
    }

    /// What runs: the ports, the post, the fetcher, the clock, the story.
    /// - Parameter ready: told once, when every port listens, what a client must know.
    public func services(ready: @escaping @Sendable (JSON) -> Void) -> [any Service] {
        let control = Control(
            keeper: keeper, platforms: platforms, switches: switches, post: post, clock: clock,
            reset: { self.reset(seed: $0) })
        let hosts = hosts
        let ports = Ports(count: hosts.count + 1) { ready(self.introduction($0)) }
        var services: [any Service] = [
            SandboxHTTP(port: options.port, running: { ports.set($0, at: 0) }, respond: { control.answer($0) })
        ]
        for (index, host) in hosts.enumerated() {
            let front = Front(platform: host.platform, keeper: keeper, switches: switches)
            services.append(
                SandboxHTTP(
                    port: options.port == 0 ? 0 : options.port + index + 1, host: host.name,
                    running: { ports.set($0, at: index + 1) }, intake: { front.intake($0) },
                    respond: { await front.answer($0) }))
        }
        return services + [post, fetcher, clock, Story(keeper: keeper, platforms: platforms, post: post)]
    }

    /// Every host in the order of the ports: first the APIs of all platforms, so that these keep their places
    /// whatever others a platform has.
    private var hosts: [(platform: any Platform, name: String)] {
        platforms.flatMap { platform in platform.hosts.prefix(1).map { (platform, $0) } }
            + platforms.flatMap { platform in platform.hosts.dropFirst().map { (platform, $0) } }
    }

    private func introduction(_ ports: [Int]) -> JSON {
        let (platforms, control) = (platforms, "http://127.0.0.1:\(ports.first ?? 0)")
        let served = zip(hosts, ports.dropFirst()).map { ($0.platform.id, "http://127.0.0.1:\($1)") }
        return keeper.turn { world in
            .object(
                [JSONMember("control", .string(control)), JSONMember("seed", JSON(world.seed.value))]
                    + platforms.map { platform in
                        let bases = served.filter { $0.0 == platform.id }.map(\.1)
                        return JSONMember(platform.id, platform.introduction(in: world, at: bases))
                    })
        }
    }
}

/// Collects the ports that were taken, in their order, until all are there.
private final class Ports: Sendable {
    private let ports: Mutex<[Int?]>
    private let all: @Sendable ([Int]) -> Void

    init(count: Int, all: @escaping @Sendable ([Int]) -> Void) {
        ports = Mutex(Array(repeating: nil, count: count))
        self.all = all
    }

    func set(_ port: Int, at index: Int) {
        let known = ports.withLock { ports -> [Int] in
            ports[index] = port
            return ports.compactMap { $0 }
        }
        if known.count == ports.withLock({ $0.count }) { all(known) }
    }
}

/// Every platform that is simulated, one line each.
enum Platforms {
    static let all: [any Platform] = [SimulatedStripe(), SimulatedTikTok()]
}
