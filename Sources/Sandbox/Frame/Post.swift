import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Synchronization

/// Sends the platforms' webhooks: each lane in order, many lanes at once, again until a 2xx comes.
final class Post: Service {
    private struct State {
        /// Sorted by when they may go.
        var queue: [Letter] = []
        var busyLanes: Set<String> = []
        var flying = 0
        /// The next moment for an event of the story.
        var nextPaced = Timestamp.zero
        /// While the story is paused.
        var holdsPaced = false
        var recent: [JSON] = []
        /// What endpoints have acknowledged, oldest first, and how many were before that.
        var acknowledged: [Acknowledged] = []
        var acknowledgedBefore = 0
    }

    /// An event that an address has answered with 2xx: it promised to keep it.
    struct Acknowledged: Sendable {
        let event: String
        let url: String
    }

    private let keeper: Keeper
    private let platforms: [any Platform]
    private let switches: Switches
    private let client: HTTPClient
    private let state = Mutex(State())
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// On the way at one time.
    private static let flyingMax = 48
    /// A receiver that takes longer has failed.
    private static let patience = TimeAmount.seconds(10)
    /// Attempts that are shown.
    private static let recentMax = 200
    /// Acknowledgements that can be asked for: several minutes at full speed.
    private static let acknowledgedMax = 200_000
    /// In one answer.
    private static let acknowledgedPage = 5000

    init(keeper: Keeper, platforms: [any Platform], switches: Switches) {
        self.keeper = keeper
        self.platforms = platforms
        self.switches = switches
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.flyingMax
        configuration.timeout.connect = .seconds(2)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var waiting: Int { state.withLock { $0.queue.count + $0.flying } }
    /// The latest attempts, newest first.
    var recent: [JSON] { state.withLock { $0.recent.reversed() } }

    /// Acknowledgements of this process after the first `after` of them, and how many came before the page's end.
    func acknowledged(after: Int) -> (page: [Acknowledged], next: Int) {
        state.withLock { state in
            let start = min(max(after - state.acknowledgedBefore, 0), state.acknowledged.count)
            let page = Array(state.acknowledged[start...].prefix(Self.acknowledgedPage))
            return (page, state.acknowledgedBefore + start + page.count)
        }
    }

    /// Takes in what a turn has mailed.
    /// - Parameter rate: events a second, for the story's; nil sends at once.
    func accept(_ letters: [Letter], rate: Double?) {
        let now = keeper.realNow
        state.withLock { state in
            for var letter in letters {
                letter.at = now
                if let meets = switches.webhooks(of: letter.platform) { letter.at = letter.at + meets.delay }
                if let rate {
                    letter.isPaced = true
                    letter.at = max(now, state.nextPaced)
                    state.nextPaced = letter.at + Self.gap(rate)
                }
                Self.insert(letter, into: &state.queue)
            }
        }
        wake.yield()
    }

    /// Where nothing new happens, what waits goes at once.
    private static func gap(_ rate: Double) -> Duration {
        rate > 0 ? .microseconds(Int64(1_000_000 / max(rate, Story.rateMin))) : .zero
    }

    /// The story's slider was moved: what waits is spread anew, or held.
    func pace(_ pace: Story.Pace) {
        let now = keeper.realNow
        state.withLock { state in
            state.holdsPaced = pace.isPaused
            let paced = state.queue.filter { $0.isPaced && $0.attempts == 0 }
            state.queue.removeAll { $0.isPaced && $0.attempts == 0 }
            state.nextPaced = now
            for var letter in paced {
                letter.at = state.nextPaced
                state.nextPaced = letter.at + Self.gap(pace.rate)
                Self.insert(letter, into: &state.queue)
            }
        }
        wake.yield()
    }

    /// Forgets everything: the world is new.
    func clear() {
        state.withLock {
            $0 = State(
                flying: $0.flying, acknowledged: $0.acknowledged, acknowledgedBefore: $0.acknowledgedBefore)
        }
    }

    func run() async throws {
        let left = keeper.turn { world in world.objects(of: Letter.kind).compactMap(Letter.init).reversed() }
        accept(Array(left), rate: nil)
        await cancelWhenGracefulShutdown { [self] in
            await withDiscardingTaskGroup { group in
                group.addTask { await self.tick() }
                for await _ in wakes {
                    for letter in ready() { group.addTask { await self.deliver(letter) } }
                }
                group.cancelAll()
            }
        }
        try await client.shutdown()
    }

    /// What waits for a moment is looked at every so often.
    private func tick() async {
        while (try? await Task.sleep(for: .milliseconds(20))) != nil {  // Ends with the task.
            if state.withLock({ !$0.queue.isEmpty }) { wake.yield() }
        }
        wake.finish()
    }

    private func ready() -> [Letter] {
        // Asked before: a turn holds the world while it hands its letters in here, and would wait for the queue.
        let (now, seed) = (keeper.realNow, keeper.seed)
        return state.withLock { state in
            var taken: [Letter] = []
            var index = 0
            while index < state.queue.count, state.flying < Self.flyingMax, state.queue[index].at <= now {
                let letter = state.queue[index]
                let shuffles = switches.webhooks(of: letter.platform)?.shuffles ?? false
                if state.holdsPaced, letter.isPaced {
                    index += 1
                } else if shuffles || state.busyLanes.insert(letter.lane).inserted {
                    taken.append(state.queue.remove(at: shuffled(index, of: state.queue, shuffles, by: now, seed)))
                    state.flying += 1
                } else {
                    index += 1
                }
            }
            return taken
        }
    }

    /// Among what may go, another than the first where disorder is asked for: chosen by the seed and its event.
    private func shuffled(
        _ index: Int, of queue: [Letter], _ shuffles: Bool, by now: Timestamp, _ seed: Seed
    ) -> Int {
        guard shuffles else { return index }
        let last = queue.lastIndex { $0.at <= now } ?? index
        let draw = seed.draw(UInt64(queue[index].attempts), of: queue[index].id)
        return index + Int(draw % UInt64(min(last - index, 9) + 1))
    }

    private static func insert(_ letter: Letter, into queue: inout [Letter]) {
        let place = queue.lastIndex { $0.at <= letter.at }.map { $0 + 1 } ?? 0
        queue.insert(letter, at: place)
    }

    // MARK: One letter

    private func deliver(_ letter: Letter) async {
        let platform = platforms.first { $0.id == letter.platform }
        let now = keeper.realNow
        let meets = switches.webhooks(of: letter.platform)
        let signedAt = now - (meets?.age ?? .zero)
        let made = keeper.turn { platform?.webhook(letter.event, to: letter.endpoint, in: $0, at: signedAt) }
        let webhook = meets?.isForged == true ? made?.forged : made
        var status: Int?
        if let webhook, !Task.isCancelled { status = await send(webhook) }
        if Task.isCancelled { return }  // It is in the world still, and goes out after the next start.
        let again = status.map { (200..<300).contains($0) } == true ? repetitions(of: letter) : 0
        settle(letter, webhook, status)
        if let webhook {
            for _ in 0..<again {
                _ = await send(webhook)
                keeper.turn { $0.count("webhook.repeated", of: letter.platform) }
            }
        }
        state.withLock { state in
            state.flying -= 1
            state.busyLanes.remove(letter.lane)
        }
        wake.yield()
    }

    /// How often an acknowledged one is sent once more: chosen by the seed and its event.
    private func repetitions(of letter: Letter) -> Int {
        guard let again = switches.webhooks(of: letter.platform)?.again, again > 0 else { return 0 }
        let share = Double(keeper.seed.draw(0, of: letter.id) % 1000) / 1000
        return Int(again) + (share < again - again.rounded(.down) ? 1 : 0)
    }

    private func settle(_ letter: Letter, _ webhook: OutgoingWebhook?, _ status: Int?) {
        let isDone = status.map { (200..<300).contains($0) } ?? false
        var next = letter
        next.attempts += 1
        let isOver = webhook == nil || next.attempts >= Letter.attemptsMax
        next.at = keeper.realNow + next.pause()
        keeper.turn { world in
            guard world.object(Letter.kind, letter.id) != nil else { return }  // Reset meanwhile.
            if webhook != nil { world.count("webhook.sent", of: letter.platform) }
            if isDone || isOver {
                world.count(isDone ? "webhook.acknowledged" : "webhook.given_up", of: letter.platform)
                world.delete(Letter.kind, letter.id)
            } else {
                world.put(Letter.kind, letter.id, next.json)
            }
        }
        state.withLock { state in
            if !isDone, !isOver { Self.insert(next, into: &state.queue) }
            guard let webhook else { return }
            if isDone { Self.note(Acknowledged(event: letter.event, url: webhook.url), in: &state) }
            state.recent.append([
                "platform": .string(letter.platform), "event": .string(letter.event), "url": .string(webhook.url),
                "attempt": JSON(next.attempts), "status": JSON(status), "at": JSON(keeper.realNow),
            ])
            if state.recent.count > Self.recentMax { state.recent.removeFirst() }
        }
    }

    private static func note(_ acknowledged: Acknowledged, in state: inout State) {
        state.acknowledged.append(acknowledged)
        guard state.acknowledged.count > acknowledgedMax + acknowledgedMax / 10 else { return }
        let surplus = state.acknowledged.count - acknowledgedMax
        state.acknowledged.removeFirst(surplus)
        state.acknowledgedBefore += surplus
    }

    /// The answer's status; nil where none came.
    private func send(_ webhook: OutgoingWebhook) async -> Int? {
        var request = HTTPClientRequest(url: webhook.url)
        request.method = .POST
        for header in webhook.headers { request.headers.add(name: header.name, value: header.value) }
        request.body = .bytes(ByteBuffer(bytes: webhook.body))
        do {
            let answer = try await client.execute(request, timeout: Self.patience)
            _ = try? await answer.body.collect(upTo: 1 << 16)  // What it says is of no interest.
            return Int(answer.status.code)
        } catch {
            return nil
        }
    }
}
