import Synchronization

/// The newest changes of the feed, for everyone on this node who is nearly up to date.
///
/// Positions are dense, so a position is an index.
struct ChangeRing: Sendable {
    /// What it may hold.
    static let itemsMax = 10_000
    static let weightMax = 32 << 20

    private var items: [FeedItem] = []
    /// The weight of all items up to and with each, counted from the beginning of time.
    private var weights: [Int] = []
    private var dropped = 0
    /// It knows everything after this position, up to `end`.
    private(set) var start = Int64.max
    var end: Int64 { start == .max ? .max : start + Int64(items.count - dropped) }

    /// What a reader finds behind its position.
    enum Found {
        case item(FeedItem)
        /// Nothing yet up to there.
        case nothing(end: Int64)
        /// The ring does not reach back so far.
        case tooOld
    }

    mutating func begin(at position: Int64) {
        self = ChangeRing()
        start = position
    }

    /// Takes items that follow its end. After a gap, which only a database that lost rows has, it begins anew.
    mutating func append(_ new: [FeedItem]) {
        for item in new {
            if start == .max || item.position != end + 1 { begin(at: item.position - 1) }
            items.append(item)
            weights.append((weights.last ?? 0) + item.weight)
        }
        while items.count - dropped > Self.itemsMax || weight(after: start) > Self.weightMax {
            dropped += 1
            start += 1
        }
        guard dropped > 1024, dropped > items.count / 4 else { return }
        items.removeFirst(dropped)
        weights.removeFirst(dropped)
        dropped = 0
    }

    /// The next item that passes.
    func next(after position: Int64, where passes: (FeedItem) -> Bool) -> Found {
        guard position >= start else { return .tooOld }
        for index in indices(after: position) where passes(items[index]) { return .item(items[index]) }
        return .nothing(end: max(end, position))
    }

    /// Up to `limit` items; nil when the ring does not reach back so far.
    func items(after position: Int64, limit: Int) -> [FeedItem]? {
        guard position >= start else { return nil }
        return Array(items[indices(after: position).prefix(limit)])
    }

    /// Whether more lies behind a position than `count` or `weight` allow, of what passes.
    func exceeds(_ count: Int, weight limit: Int, after position: Int64, where passes: (FeedItem) -> Bool) -> Bool {
        guard position >= start else { return true }
        guard end - position > Int64(count) || weight(after: position) > limit else { return false }
        var left = (count: count, weight: limit)
        for index in indices(after: position) where passes(items[index]) {
            left.count -= 1
            left.weight -= items[index].weight
            if left.count < 0 || left.weight < 0 { return true }
        }
        return false
    }

    private func indices(after position: Int64) -> Range<Int> {
        min(dropped + Int(clamping: position - start), items.count)..<items.count
    }

    private func weight(after position: Int64) -> Int {
        let index = indices(after: position).lowerBound
        guard let last = weights.last, index < weights.count else { return 0 }
        return last - weights[index] + items[index].weight
    }
}
