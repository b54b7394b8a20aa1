import Kit
import NIOConcurrencyHelpers

/// Keeps a world: one turn at a time, each on file before anyone is told of it.
///
/// Unchecked: the world and its file are touched under `lock` only, and never leave a turn: what does is `Sendable`,
/// and a `World` is not.
final class Keeper: @unchecked Sendable {
    private let lock = NIOLock()
    private var world: World
    private let file: (journal: Journal, abandon: @Sendable (SandboxFault) -> Never)?
    private var mail: @Sendable ([Letter], Double?) -> Void = { _, _ in }
    private var run: @Sendable ([Errand]) -> Void = { _ in }
    private let clock: @Sendable () -> Timestamp

    /// Keeps nothing beyond the process.
    init(seed: UInt64, clock: @escaping @Sendable () -> Timestamp) {
        self.clock = clock
        world = World(seed: Seed(value: seed))
        file = nil
    }

    /// - Parameters:
    ///   - seed: of a new world; one that is kept has its own.
    ///   - abandon: ends the process. A file that takes no more may not be answered over: that would promise what is
    ///     not kept.
    init(
        file: String, seed: UInt64, clock: @escaping @Sendable () -> Timestamp,
        abandon: @escaping @Sendable (SandboxFault) -> Never
    ) throws(SandboxFault) {
        self.clock = clock
        let (journal, world) = try Journal.open(file, seed: Seed(value: seed))
        self.world = world
        self.file = (journal, abandon)
    }

    /// Called after each turn that brought webhooks.
    func onMail(_ act: @escaping @Sendable ([Letter], Double?) -> Void) { lock.withLock { mail = act } }

    /// Called after each turn that wants something fetched.
    func onErrands(_ act: @escaping @Sendable ([Errand]) -> Void) { lock.withLock { run = act } }

    /// What `work` changes is kept, all of it; nothing where it throws.
    func turn<Result: Sendable, Problem: Error>(_ work: (World) throws(Problem) -> Result) throws(Problem) -> Result {
        lock.lock()
        defer { lock.unlock() }
        world.begin(at: clock() + .seconds(world.ahead))
        do throws(Problem) {
            let result = try work(world)
            if !world.touched.isEmpty { keep() }
            if !world.letters.isEmpty { mail(world.letters, world.pace) }
            if !world.errands.isEmpty { run(world.errands) }
            world.trim()
            return result
        } catch {
            world.rollBack()
            throw error
        }
    }

    private func keep() {
        guard let file else { return }
        do throws(SandboxFault) {
            try file.journal.append(world.record())
            if file.journal.isLong { try file.journal.start(over: world) }
        } catch { file.abandon(error) }
    }

    /// A new world in the old one's place, of the same seed unless another is named.
    func reset(seed: UInt64?, _ furnish: (World) -> Void) {
        lock.lock()
        // Nobody else holds it once another stands in its place; to let go of a full one takes longer than a reset may.
        nonisolated(unsafe) let former = world
        world = World(seed: seed.map(Seed.init) ?? world.seed)
        world.begin(at: clock())
        furnish(world)
        if let file {
            do throws(SandboxFault) { try file.journal.start(over: world) } catch { file.abandon(error) }
        }
        lock.unlock()
        Task { withExtendedLifetime(former) {} }
    }

    /// The sandbox's time.
    var now: Timestamp { lock.withLock { clock() + .seconds(world.ahead) } }
    var realNow: Timestamp { clock() }
    var realSeconds: Int64 { clock().seconds }
    var seed: Seed { lock.withLock { world.seed } }
}
