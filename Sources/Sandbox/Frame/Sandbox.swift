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
        /// Where webhooks go, and the secret that signs them.
        public var webhookURL: String?
        public var webhookSecret: String?
        public var webhookTypes = ["*"]
        public var secretKey: String?
        /// Events a second of the story; nil leaves it as it is, paused in a new world.
        public var story: Double?

        public init() {}
    }

    private let options: Options
    private let keeper: Keeper
    private let platforms: [any Platform] = Platforms.all
    private let switches = Switches()
    private let post: Post
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
        keeper = try Keeper(
            file: options.file, seed: options.seed ?? random & 0xFFFF_FFFF, clock: clock, abandon: abandon)
        post = Post(keeper: keeper, platforms: platforms, switches: switches)
        self.clock = Clock(keeper: keeper, platforms: platforms)
        let post = post
        keeper.onMail { post.accept($0, rate: $1) }
        furnish()
    }

    private var furniture: Furniture {
        Furniture(
            webhookURL: options.webhookURL, webhookSecret: options.webhookSecret, webhookTypes: options.webhookTypes,
            secretKey: options.secretKey)
    }

    private func furnish() {
        let furniture = furniture
        keeper.turn { world in
            for platform in platforms { platform.furnish(world, furniture) }
            if let rate = options.story { Story.set(.init(rate: rate, isPaused: rate == 0), in: world) }
        }
    }

    /// Everything as at the start; the same seed unless another is named.
    private func reset(seed: UInt64?) {
        switches.set([])
        post.clear()
        let (furniture, platforms) = (furniture, platforms)
        keeper.reset(seed: seed) { world in for platform in platforms { platform.furnish(world, furniture) } }
    }

    /// What runs: the ports, the post, the clock, the story.
    /// - Parameter ready: told once, when every port listens, what a client must know.
    public func services(ready: @escaping @Sendable (JSON) -> Void) -> [any Service] {
        let control = Control(
            keeper: keeper, platforms: platforms, switches: switches, post: post, clock: clock,
            reset: { self.reset(seed: $0) })
        let ports = Ports(count: platforms.count + 1) { ready(self.introduction($0)) }
        var services: [any Service] = [
            SandboxHTTP(port: options.port, running: { ports.set($0, at: 0) }, respond: { control.answer($0) })
        ]
        for (index, platform) in platforms.enumerated() {
            let front = Front(platform: platform, keeper: keeper, switches: switches)
            services.append(
                SandboxHTTP(
                    port: options.port == 0 ? 0 : options.port + index + 1,
                    running: { ports.set($0, at: index + 1) }, respond: { await front.answer($0) }))
        }
        return services + [post, clock, Story(keeper: keeper, platforms: platforms, post: post)]
    }

    private func introduction(_ ports: [Int]) -> JSON {
        let (platforms, control) = (platforms, "http://127.0.0.1:\(ports.first ?? 0)")
        return keeper.turn { world in
            .object(
                [JSONMember("control", .string(control)), JSONMember("seed", JSON(world.seed.value))]
                    + zip(platforms, ports.dropFirst()).map { platform, port in
                        JSONMember(platform.id, platform.introduction(in: world, at: "http://127.0.0.1:\(port)"))
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
    static let all: [any Platform] = [SimulatedStripe()]
}
