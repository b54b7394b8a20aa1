import NIOCore
import Synchronization

/// What has passed of a body, for whoever asks from elsewhere.
final class Passage: Sendable {
    private let bytes = Atomic<Int64>(0)
    private let isAwaited = Atomic(false)
    private let isBroken = Atomic(false)
    private let first = Mutex<[UInt8]>([])

    var value: Int64 { bytes.load(ordering: .relaxed) }
    func add(_ count: Int) { bytes.add(Int64(count), ordering: .relaxed) }

    /// Its first bytes, enough to tell what it is.
    var head: [UInt8] { first.withLock { $0 } }
    fileprivate func add(_ part: ByteBuffer) {
        if value == 0 { first.withLock { $0 = Array(part.readableBytesView.prefix(32)) } }
        add(part.readableBytes)
    }

    /// Whether its source broke off, or is being waited for now: what went wrong is not the platform's fault then.
    var isWanting: Bool { isAwaited.load(ordering: .acquiring) || isBroken.load(ordering: .acquiring) }
    func waits(_ waits: Bool) { isAwaited.store(waits, ordering: .releasing) }
    func breaks() { isBroken.store(true, ordering: .releasing) }
}

extension StreamRequest.Body {
    /// The same, and what passes of it is counted.
    func counted(by count: Passage) -> Self {
        switch self {
        case .none: return self
        case .bytes(let bytes):
            count.add(bytes.count)
            return self
        case .stream(let parts, let length):
            return .stream(Counted(parts: parts, length: length, count: count), length: length)
        }
    }
}

/// Parts as they pass, counted.
private struct Counted: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    typealias Failure = any Error
    let parts: any AsyncSequence<ByteBuffer, any Error> & Sendable
    let length: Int64?
    let count: Passage

    struct Iterator: AsyncIteratorProtocol {
        var inner: any AsyncIteratorProtocol<ByteBuffer, any Error>
        let length: Int64?
        let count: Passage

        mutating func next() async throws -> ByteBuffer? {
            count.waits(true)
            defer { count.waits(false) }
            do {
                let part = try await inner.next(isolation: nil)
                if let part { count.add(part) }
                // Another length than was said is no call that a platform could answer.
                if let length, part == nil ? count.value < length : count.value > length { count.breaks() }
                return part
            } catch {
                count.breaks()
                throw error
            }
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(inner: parts.makeAsyncIterator(), length: length, count: count)
    }
}
