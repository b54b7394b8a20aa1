import Foundation
import Kit

/// What threads of an engine take their work from: lanes in order, each bounded.
///
/// `@unchecked Sendable`: everything mutable is touched with `condition` locked.
final class WorkQueue<Item>: @unchecked Sendable {
    private let condition = NSCondition()
    private var lanes: [[Item]] = Array(repeating: [], count: WriteLane.allCases.count)
    private var heads: [Int] = Array(repeating: 0, count: WriteLane.allCases.count)
    private var isClosed = false
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// False when the lane is full or the queue closed; the item was not taken then.
    func add(_ item: Item, to lane: WriteLane) -> Bool {
        condition.withLock {
            guard !isClosed, lanes[lane.rawValue].count - heads[lane.rawValue] < limit else { return false }
            lanes[lane.rawValue].append(item)
            condition.signal()
            return true
        }
    }

    /// Waits for work: up to `count` items, the first lane first. Empty when `seconds` passed; nil when closed and
    /// empty.
    func take(_ count: Int, waiting seconds: Double) -> [Item]? {
        condition.withLock {
            let end = Date(timeIntervalSinceNow: seconds)
            while waiting == 0 {
                if isClosed { return nil }
                if !condition.wait(until: end) { return [] }
            }
            var taken: [Item] = []
            for lane in lanes.indices {
                while taken.count < count, heads[lane] < lanes[lane].count {
                    taken.append(lanes[lane][heads[lane]])
                    heads[lane] += 1
                }
                compact(lane)
            }
            return taken
        }
    }

    /// Takes out what waits and is over, for answering it with an error.
    func drain(where isOver: (Item) -> Bool) -> [Item] {
        condition.withLock {
            var over: [Item] = []
            for lane in lanes.indices {
                let waiting = lanes[lane][heads[lane]...]
                guard waiting.contains(where: isOver) else { continue }
                over += waiting.filter(isOver)
                lanes[lane] = waiting.filter { !isOver($0) }
                heads[lane] = 0
            }
            return over
        }
    }

    func close() {
        condition.withLock {
            isClosed = true
            condition.broadcast()
        }
    }

    private var waiting: Int { lanes.indices.reduce(0) { $0 + lanes[$1].count - heads[$1] } }

    private func compact(_ lane: Int) {
        if heads[lane] == lanes[lane].count {
            lanes[lane].removeAll(keepingCapacity: lanes[lane].count < 1024)
            heads[lane] = 0
        } else if heads[lane] > 512 {
            lanes[lane].removeFirst(heads[lane])
            heads[lane] = 0
        }
    }
}

/// A closure for a transaction, and who waits for it.
struct Work: @unchecked Sendable {  // The closures are run by one thread at a time; `body` before `finish`.
    let name: StaticString
    /// Runs on the open session and keeps its value aside.
    let body: (Session) throws -> Void
    /// Told once, after the commit or with the error.
    let finish: (StoreError?, (any Error)?) -> Void
    let isolation: Isolation
    let id: [UInt8]
    /// Until when it may wait in line and be tried again, by the clock that does not jump; SQLite tries once.
    var deadline = 0.0
    var retried = false

    enum Isolation { case snapshot, serializable, readCommitted, schema }
}

/// Hands a closure to `enqueue` as `Work` and waits for its value; `enqueue` says why it was not taken.
func awaiting<Value: Sendable>(
    _ name: StaticString, _ isolation: Work.Isolation, id: [UInt8],
    _ work: @escaping @Sendable (Session) throws -> Value, enqueue: (Work) -> StoreError?
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let box = Box<Value>()
        let refusal = enqueue(
            Work(
                name: name,
                body: { box.value = try work($0) },
                finish: { storeError, error in
                    if let problem: any Error = storeError ?? error {
                        continuation.resume(throwing: problem)
                    } else if let value = box.value {
                        continuation.resume(returning: value)
                    } else {
                        continuation.resume(throwing: StoreError.sessionClosed)
                    }
                },
                isolation: isolation, id: id))
        if let refusal { continuation.resume(throwing: refusal) }
    }
}

/// Where a closure's value waits for the commit. Written by the engine's thread, read by it afterwards.
private final class Box<Value: Sendable>: @unchecked Sendable {
    var value: Value?
}

/// A named thread that runs until its body returns. Blocking calls belong here, never in a task.
func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.name = name
    thread.stackSize = 1 << 20
    thread.start()
}
