import Kit
import Store

/// Which changes an endpoint's run has before it: read and waiting, in flight, or aside and due.
///
/// Pure: it decides order and nothing else.
struct SendingWindow {
    /// Everything up to here has been read from the feed.
    private(set) var readPosition: Int64
    /// From the feed, read and not yet sent.
    private var waiting: ArraySlice<FeedItem> = []
    /// Positions from the feed that are not done: waiting or in flight.
    private var open: Set<Int64> = []
    /// Aside and due, ready to be sent.
    private var due: ArraySlice<(DueChange, FeedItem)> = []
    /// Positions aside that were read and whose outcome is not recorded.
    private(set) var busyDue: Set<Int64> = []
    private(set) var inFlight = 0
    /// Keys of what is in flight.
    private var keysInFlight: Set<String> = []
    /// Keys that have something aside, of those that matter now.
    var keysAside: Set<String> = []
    /// When to look for what is aside and due; nil while nothing is.
    var nextDueAt: Timestamp? = .zero
    /// Positions beyond the cursor that stand aside already: a crash came between that and the cursor's move.
    private var aside: Set<Int64>
    private var dueIsNext = false

    init(position: Int64, aside: Set<Int64>) {
        readPosition = position
        self.aside = aside
    }

    /// Up to here nothing is open.
    var position: Int64 { open.min().map { $0 - 1 } ?? readPosition }

    var hasRoom: Bool { waiting.count < EndpointRun.batch / 2 && readPosition - position < EndpointRun.span }
    var hasRoomForDue: Bool { due.count < EndpointRun.batch / 2 }

    /// Takes changes that follow what was read.
    mutating func add(_ items: [FeedItem], where wanted: (FeedItem) -> Bool) {
        for item in items {
            readPosition = item.position
            guard aside.remove(item.position) == nil, wanted(item) else { continue }
            waiting.append(item)
            open.insert(item.position)
        }
    }

    /// Takes a change that is aside and due.
    mutating func add(_ entry: DueChange, _ item: FeedItem) {
        guard busyDue.insert(entry.position).inserted else { return }
        due.append((entry, item))
    }

    /// The next to be sent; nil when nothing may be sent now. What is due and what is new take turns.
    ///
    /// - Parameter held: gains each change that must wait behind another of its key.
    mutating func next(orderedBy order: Endpoint.Order, held: inout [Shipment]) -> Shipment? {
        let shipment = dueIsNext ? nextDue() ?? nextNew(order, &held) : nextNew(order, &held) ?? nextDue()
        guard let shipment else { return nil }
        dueIsNext = shipment.due == nil
        inFlight += 1
        if let key = shipment.key { keysInFlight.insert(key) }
        return shipment
    }

    private mutating func nextDue() -> Shipment? {
        guard let index = due.firstIndex(where: { $0.0.orderingKey.map { !keysInFlight.contains($0) } ?? true }) else {
            return nil
        }
        let (entry, item) = due.remove(at: index)
        return Shipment(item: item, key: entry.orderingKey, due: entry)
    }

    private mutating func nextNew(_ order: Endpoint.Order, _ held: inout [Shipment]) -> Shipment? {
        guard order != .none else {
            return waiting.popFirst().map { Shipment(item: $0, key: nil, due: nil) }
        }
        var index = waiting.startIndex
        while index < waiting.endIndex {
            let item = waiting[index]
            let key = item.key(by: order)
            if let key, keysAside.contains(key) {
                waiting.remove(at: index)
                open.remove(item.position)
                held.append(Shipment(item: item, key: key, due: nil))
            } else if let key, keysInFlight.contains(key) {
                index += 1
            } else {
                waiting.remove(at: index)
                return Shipment(item: item, key: key, due: nil)
            }
        }
        return nil
    }

    /// A try has ended and its outcome goes into the book.
    /// - Parameter isAside: whether the change stands aside now.
    mutating func ended(_ shipment: Shipment, isAside: Bool) {
        inFlight -= 1
        if shipment.due == nil { open.remove(shipment.item.position) }
        guard let key = shipment.key else { return }
        keysInFlight.remove(key)
        if isAside { keysAside.insert(key) }
    }

    /// A try has ended without a verdict: as if it had not been.
    mutating func putBack(_ shipment: Shipment) {
        inFlight -= 1
        if let key = shipment.key { keysInFlight.remove(key) }
        if let entry = shipment.due {
            due.insert((entry, shipment.item), at: due.startIndex)
        } else {
            let index = waiting.firstIndex { $0.position > shipment.item.position } ?? waiting.endIndex
            waiting.insert(shipment.item, at: index)
        }
    }

    /// What was written is on disk.
    /// - Parameters:
    ///   - positions: of what was aside when it was tried.
    ///   - keys: all that the set touched; `keysDue` of them have something aside.
    mutating func recorded(_ positions: [Int64], keys: Set<String>, keysDue: Set<String>, stillHeld: Set<String>) {
        busyDue.subtract(positions)
        keysAside.subtract(keys.subtracting(keysDue).subtracting(stillHeld))
        keysAside.formUnion(keysDue)
    }

    mutating func dueAgain(at moment: Timestamp) { nextDueAt = min(nextDueAt ?? moment, moment) }
}
