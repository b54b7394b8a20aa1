import Synchronization

/// Makes ids and random bytes. Given to whoever needs them, so that a simulation can fix both.
///
/// Ids never go backwards within a process, whatever the clock does, and two processes do not meet:
/// 48 bits of milliseconds, then 74 random or counted bits (RFC 9562, UUIDv7).
public final class Identifiers: Sendable {
    private struct State {
        var milliseconds: UInt64 = 0
        var counter: UInt64 = 0
        var generator: any RandomNumberGenerator & Sendable
    }
    private let state: Mutex<State>
    private let now: @Sendable () -> Timestamp

    public init(
        now: @escaping @Sendable () -> Timestamp,
        random: any RandomNumberGenerator & Sendable = SystemRandom()
    ) {
        self.now = now
        state = Mutex(State(generator: random))
    }

    public func make<Kind: Identified>(_ kind: Kind.Type = Kind.self) -> ID<Kind> { ID(uuid: uuid()) }

    /// `count` random bytes, fit for keys and secrets.
    public func bytes(_ count: Int) -> [UInt8] {
        state.withLock { state in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(count + 7)
            while bytes.count < count {
                withUnsafeBytes(of: state.generator.next()) { bytes.append(contentsOf: $0) }
            }
            return Array(bytes.prefix(count))
        }
    }

    /// A number from 0 up to and without 1, for jitter.
    public func unit() -> Double { state.withLock { Double.random(in: 0..<1, using: &$0.generator) } }

    private func uuid() -> (UInt64, UInt64) {
        let time = UInt64(clamping: now().microseconds / 1000) & 0xFFFF_FFFF_FFFF
        return state.withLock { state in
            if time > state.milliseconds {
                state.milliseconds = time
                // Half of the counter's range is free above the start, so it cannot overflow into a wrap.
                state.counter = UInt64.random(in: 0..<0x800, using: &state.generator)
            } else {
                state.counter += 1
                if state.counter > 0xFFF {
                    state.milliseconds += 1
                    state.counter = 0
                }
            }
            let high = state.milliseconds << 16 | 0x7000 | state.counter
            let low = UInt64.random(in: .min ... .max, using: &state.generator) >> 2 | 0x8000_0000_0000_0000
            return (high, low)
        }
    }
}
