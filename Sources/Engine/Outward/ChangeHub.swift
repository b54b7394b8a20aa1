import Kit
public import Logging
public import ServiceLifecycle
public import Store
import Synchronization

/// The feed on this node: one reader of the tail, and everyone else served from memory.
public final class ChangeHub: Service {
    /// Changes of one read.
    private static let batch = 500
    /// Between two looks when no bell rings: other nodes write too.
    private static let pace = Duration.milliseconds(100)
    /// After a look that failed.
    private static let afterFailure = Duration.seconds(1)
    /// Live clients that may read from the database at once.
    private static let catchUpsMax = 4

    /// Rung when there are new changes.
    public let moved = Bell()
    private let database: any Database
    private let placed: Bell
    private let time: TimeSource
    private let logger: Logger
    private let ring = Mutex(ChangeRing())
    private let catchUps = Slots(catchUpsMax)

    /// - Parameter placed: rung when changes have got their positions in this process.
    public init(database: any Database, placed: Bell, time: TimeSource, logger: Logger) {
        self.database = database
        self.placed = placed
        self.time = time
        self.logger = logger
    }

    /// Follows the feed until it is told to stop.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let seen = self.placed.rings
                guard let count = await self.follow() else {
                    try? await self.time.sleep(Self.afterFailure)  // Cancelled: the loop ends.
                    continue
                }
                if count == Self.batch { continue }
                await self.placed.wait(since: seen, until: self.time.now() + Self.pace, on: self.time)
            }
        }
    }

    /// One look at the tail. Answers how many changes were new; nil when the database did not answer.
    private func follow() async -> Int? {
        let end = ring.withLock { $0.end }
        do {
            guard end != .max else {
                let head = try await database.read("feed.head") { try $0.feedHead() }
                ring.withLock { $0.begin(at: head) }
                moved.ring()
                return 0
            }
            let new = try await database.read("feed.tail") { try $0.changes(after: end, limit: Self.batch) }.map(
                FeedItem.init)
            guard !new.isEmpty else { return 0 }
            ring.withLock { ring in
                ring.append(new)
                // What memory holds of someone who was erased goes, too: followers read what is left in the database.
                if let last = new.last, new.contains(where: { $0.type == "user.erased" }) {
                    ring.begin(at: last.position)
                }
            }
            moved.ring()
            return new.count
        } catch {
            logger.warning("feed.not_read", metadata: ["problem": "\(error)"])
            return nil
        }
    }

    /// Changes after a position, from memory where it reaches back so far.
    public func items(after position: Int64, limit: Int) async throws -> [FeedItem] {
        if let items = ring.withLock({ $0.items(after: position, limit: limit) }) { return items }
        return try await database.read("feed.page") { try $0.changes(after: position, limit: limit) }.map(FeedItem.init)
    }

    /// Follows the feed for a live client: first what it missed since `position`, then what comes. Without a position,
    /// what comes.
    ///
    /// The sequence ends when the client is further behind than it may be: it connects again and names the last
    /// position that it got. It throws `FeedGap` when what it missed is no longer kept.
    public func subscribe(after position: Int64? = nil, to filter: ChangeFilter = ChangeFilter()) -> ChangeSubscription
    {
        ChangeSubscription(hub: self, position: position, filter: filter)
    }

    // MARK: For subscriptions

    /// Whether this node has seen a position.
    func hasReached(_ position: Int64) -> Bool { end.map { $0 >= position } ?? false }

    fileprivate var end: Int64? { ring.withLock { $0.end == .max ? nil : $0.end } }

    fileprivate func next(after position: Int64, where passes: (FeedItem) -> Bool) -> ChangeRing.Found {
        ring.withLock { $0.next(after: position, where: passes) }
    }

    fileprivate func isBehind(_ position: Int64, where passes: (FeedItem) -> Bool) -> Bool {
        ring.withLock {
            $0.exceeds(
                ChangeSubscription.itemsMax, weight: ChangeSubscription.weightMax, after: position, where: passes)
        }
    }

    fileprivate func missed(after position: Int64) async throws -> [FeedItem] {
        try await catchUps.hold { try await self.items(after: position, limit: 100) }
    }
}

/// Which changes a live client wants.
public struct ChangeFilter: Sendable {
    public let types: EventPatterns
    public let userID: String?
    public let connectionID: String?

    public init(types: EventPatterns = EventPatterns([]), userID: String? = nil, connectionID: String? = nil) {
        self.types = types
        self.userID = userID
        self.connectionID = connectionID
    }

    public func passes(_ item: FeedItem) -> Bool {
        types.match(item.type) && (userID == nil || userID == item.userID)
            && (connectionID == nil || connectionID == item.connectionID)
    }
}

/// Changes between a client's position and what is kept are gone.
public struct FeedGap: Error, Equatable {
    /// The first that is kept.
    public let first: Int64
}

/// The feed as one live client sees it. Holds nothing for the client but its position.
public struct ChangeSubscription: AsyncSequence, Sendable {
    public typealias Element = FeedItem
    public typealias Failure = any Error

    /// How far a client that was up to date may fall behind.
    static let itemsMax = 1000
    static let weightMax = 1 << 20

    fileprivate let hub: ChangeHub
    fileprivate let position: Int64?
    fileprivate let filter: ChangeFilter

    public func makeAsyncIterator() -> Iterator {
        Iterator(hub: hub, filter: filter, position: position ?? hub.end, catchingUp: position != nil)
    }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let hub: ChangeHub
        fileprivate let filter: ChangeFilter
        /// Everything up to here was given or does not pass; nil until the hub knows the head.
        fileprivate var position: Int64?
        /// Until it has been up to date once, a client may be as far behind as it likes.
        fileprivate var catchingUp: Bool
        fileprivate var page: ArraySlice<FeedItem> = []

        public mutating func next() async throws -> FeedItem? {
            while !Task.isCancelled {
                if let item = takeFromPage() { return item }
                let seen = hub.moved.rings
                guard let position else {
                    self.position = hub.end
                    if self.position == nil { await hub.moved.wait(since: seen) }
                    continue
                }
                if !catchingUp, hub.isBehind(position, where: filter.passes) { return nil }
                switch hub.next(after: position, where: filter.passes) {
                case .item(let item):
                    self.position = item.position
                    return item
                case .nothing(let end):
                    self.position = end
                    catchingUp = false
                    await hub.moved.wait(since: seen)
                case .tooOld:
                    try await turnPage(after: position, since: seen)
                }
            }
            return nil
        }

        private mutating func takeFromPage() -> FeedItem? {
            while let item = page.popFirst() {
                position = item.position
                if filter.passes(item) { return item }
            }
            return nil
        }

        private mutating func turnPage(after position: Int64, since seen: UInt64) async throws {
            page = try await hub.missed(after: position)[...]
            if let first = page.first, first.position != position + 1 { throw FeedGap(first: first.position) }
            // The hub has not begun yet, and nothing is there.
            if page.isEmpty { await hub.moved.wait(since: seen) }
        }
    }
}

/// So many at once; others wait.
final class Slots: Sendable {
    private let free: Mutex<Int>
    private let bell = Bell()

    init(_ count: Int) { free = Mutex(count) }

    func hold<Value: Sendable>(_ use: () async throws -> Value) async throws -> Value {
        while true {
            try Task.checkCancellation()
            let seen = bell.rings
            let taken = free.withLock { free in
                guard free > 0 else { return false }
                free -= 1
                return true
            }
            if taken { break }
            await bell.wait(since: seen)
        }
        defer {
            free.withLock { $0 += 1 }
            bell.ring()
        }
        return try await use()
    }
}
