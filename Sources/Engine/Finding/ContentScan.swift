public import Kit
public import Store

/// Looks for events by what their contents say, the newest first. No index knows contents: they are read, a slice at a
/// time, and whoever asks goes on from where the slice ended. So the first hits are there at once, progress is known,
/// and a search that nobody waits for any more costs nothing.
public struct ContentScan: Sendable {
    /// An event, its bytes, and the part of them that says what was looked for.
    public struct Hit: Sendable {
        public let event: EventRow
        public let bytes: [UInt8]
        public let excerpt: String
    }

    /// What was found between two events.
    public struct Slice: Sendable {
        /// Newest first.
        public fileprivate(set) var hits: [Hit] = []
        /// Events whose content was read.
        public fileprivate(set) var looked = 0
        /// The last event that was looked at: to go on before it. Nil when all have been.
        public fileprivate(set) var through: ID<EventKind>?
        /// How much of the time range is done, by this slice and those before it: 0 to 100.
        public fileprivate(set) var percent = 100
    }

    private static let (eventsAtOnce, bytesAtOnce) = (200, 4 << 20)
    /// How long a slice takes, about: the first hits are seen within a second.
    private static let patience = Duration.milliseconds(400)

    private let database: any Database
    private let time: TimeSource
    private let filter: EventFilter
    private let condition: ContentCondition
    private let since: Timestamp?
    private let until: Timestamp?

    /// - Parameters:
    ///   - since: only events that came at this time or later; nil for all that are kept.
    ///   - until: only events that came before; nil for all until now.
    public init(
        for condition: ContentCondition, among filter: EventFilter, since: Timestamp?, until: Timestamp?,
        in database: any Database, time: TimeSource
    ) {
        (self.condition, self.filter) = (condition, filter)
        (self.since, self.until) = (since, until)
        (self.database, self.time) = (database, time)
    }

    /// The next slice: until `hitsMax` are found, some time has passed, or the range is at its end.
    ///
    /// - Parameter place: `through` of the slice before; nil for the first.
    public func slice(before place: ID<EventKind>?, hitsMax: Int) async throws -> Slice {
        let began = time.uptime()
        var slice = Slice()
        var bytesHit = 0
        var at = place ?? until.map { ID<EventKind>.floor($0) }
        repeat {
            let part = try await database.read("content_scan") { [at] in try read(before: at, in: $0) }
            for (event, bytes) in part.events {
                at = event.id
                slice.looked += 1
                guard let bytes, let excerpt = condition.excerpt(of: bytes) else { continue }
                slice.hits.append(Hit(event: event, bytes: bytes, excerpt: excerpt))
                bytesHit += bytes.count
                guard slice.hits.count < hitsMax, bytesHit < Self.bytesAtOnce else {
                    return try await ended(slice, at: at)
                }
            }
            guard let next = part.next else { return slice }
            at = next
            try Task.checkCancellation()
        } while time.uptime() - began < Self.patience
        return try await ended(slice, at: at)
    }

    private typealias Part = (events: [(EventRow, bytes: [UInt8]?)], next: ID<EventKind>?)

    private func read(before place: ID<EventKind>?, in session: Session) throws -> Part {
        let found = try session.search(filter, before: place, since: since, limit: Self.eventsAtOnce)
        let (bytes, read) = try session.wholePayloads(of: found.rows, bytesMax: Self.bytesAtOnce)
        let events = found.rows.prefix(read).map { ($0, bytes: bytes[$0.id.text]) }
        let isAll = read == found.rows.count && found.rows.count < Self.eventsAtOnce
        return (events, isAll ? found.searchedTo : events.last?.0.id)
    }

    private func ended(_ slice: Slice, at place: ID<EventKind>?) async throws -> Slice {
        var slice = slice
        slice.through = place
        let oldest = try await database.read("oldest_event") { try $0.oldestEvent() }
        let end = until.map { min($0, time.now()) } ?? time.now()
        let start = max(since ?? .zero, oldest?.madeAt ?? .zero)
        let range = (end - start).microseconds
        let done = (end - (place?.madeAt ?? end)).microseconds
        slice.percent = range > 0 ? Int(min(99, max(0, done * 100 / range))) : 99
        return slice
    }
}
