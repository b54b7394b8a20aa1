import Hummingbird
import Kit
import NIOCore
import Synchronization

/// Whether a live client takes what it is sent. A write to one that does not never returns: whoever waits behind it
/// must be told by somebody else.
final class ClientPulse: Sendable {
    private struct State {
        var writes = 0
        var isWriting = false
    }
    private let state = Mutex(State())

    /// Returns when the client, or the kernel for it, has taken the bytes.
    func write(_ bytes: [UInt8], to writer: inout any ResponseBodyWriter) async throws {
        state.withLock { $0 = State(writes: $0.writes + 1, isWriting: true) }
        try await writer.write(ByteBuffer(bytes: bytes))
        state.withLock { $0.isWriting = false }
    }

    /// Which write has not returned; nil for none.
    private var pending: Int? { state.withLock { $0.isWriting ? $0.writes : nil } }

    /// Calls `tick` at each pace at which nothing is on its way; returns when one write has been on its way for a
    /// whole pace, or when cancelled. True for the former: the client takes nothing.
    func stops(at pace: Duration, on sleep: Pauses, tick: () -> Void = {}) async -> Bool {
        var before: Int?
        while true {
            do { try await sleep(pace) } catch { return false }
            let now = pending
            if now != nil, now == before { return true }
            if now == nil { tick() }
            before = now
        }
    }
}
