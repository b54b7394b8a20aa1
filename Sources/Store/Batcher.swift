import Synchronization

/// Gathers single requests for one set operation: whoever comes while a set is on its way goes with the next one.
///
/// An answer is given after the commit, never before. A row that the database cannot hold is found by halving the
/// set, so that it harms only itself.
public final class Batcher<Input: Sendable, Output: Sendable>: Sendable {
    /// How much may wait, and how much goes at once. The reasons stand where a batcher is made.
    public struct Bounds: Sendable {
        public var waitingMax = 4096
        public var bytesMax = 32 << 20
        public var atOnce = 512
        /// Sets on their way at the same time; more than one lets PostgreSQL commit them together.
        public var inFlight = 1
        public init() {}
        public init(waitingMax: Int = 4096, bytesMax: Int = 32 << 20, atOnce: Int = 512, inFlight: Int = 1) {
            self.waitingMax = waitingMax
            self.bytesMax = bytesMax
            self.atOnce = atOnce
            self.inFlight = inFlight
        }
    }

    private struct Waiter: Sendable {
        let input: Input
        let bytes: Int
        let answer: CheckedContinuation<Output, any Error>
    }
    private struct State {
        var waiting: [Waiter] = []
        var held = 0
        var bytes = 0
        var flying = 0
    }

    private let name: StaticString
    private let lane: WriteLane
    private let database: any Database
    private let bounds: Bounds
    private let weigh: @Sendable (Input) -> Int
    private let perform: @Sendable (Session, [Input]) throws -> [Output]
    private let state = Mutex(State())

    public init(
        _ name: StaticString, in lane: WriteLane, of database: any Database, bounds: Bounds = Bounds(),
        weigh: @escaping @Sendable (Input) -> Int = { _ in 256 },
        perform: @escaping @Sendable (Session, [Input]) throws -> [Output]
    ) {
        self.name = name
        self.lane = lane
        self.database = database
        self.bounds = bounds
        self.weigh = weigh
        self.perform = perform
    }

    /// How many wait or are on their way.
    public var held: Int { state.withLock { $0.held } }

    /// Waits for the commit of the set that carries `input`.
    ///
    /// - Throws: `StoreError.overloaded` at once when the bounds are reached; what the set's transaction threw.
    public func submit(_ input: Input) async throws -> Output {
        let bytes = weigh(input)
        return try await withCheckedThrowingContinuation { continuation in
            let (isAccepted, mustFly) = state.withLock { state -> (Bool, Bool) in
                guard state.held < bounds.waitingMax, state.bytes + bytes <= bounds.bytesMax || state.held == 0 else {
                    return (false, false)
                }
                state.held += 1
                state.bytes += bytes
                state.waiting.append(Waiter(input: input, bytes: bytes, answer: continuation))
                guard state.flying < bounds.inFlight else { return (true, false) }
                state.flying += 1
                return (true, true)
            }
            if !isAccepted { continuation.resume(throwing: StoreError.overloaded) }
            if mustFly { Task { await fly() } }
        }
    }

    /// Carries sets until nobody waits.
    private func fly() async {
        while true {
            let set = state.withLock { state -> [Waiter] in
                guard !state.waiting.isEmpty else {
                    state.flying -= 1
                    return []
                }
                let taken = Array(state.waiting.prefix(bounds.atOnce))
                state.waiting.removeFirst(taken.count)
                return taken
            }
            guard !set.isEmpty else { return }
            await carry(set)
            state.withLock { state in
                state.held -= set.count
                state.bytes -= set.reduce(0) { $0 + $1.bytes }
            }
        }
    }

    private func carry(_ set: [Waiter]) async {
        let inputs = set.map(\.input)
        let perform = perform
        do {
            let outputs = try await database.set(name, in: lane) { try perform($0, inputs) }
            for (waiter, output) in zip(set, outputs) { waiter.answer.resume(returning: output) }
        } catch let error as StoreError where set.count > 1 && error.isAboutOneRow {
            await carry(Array(set[..<(set.count / 2)]))
            await carry(Array(set[(set.count / 2)...]))
        } catch {
            for waiter in set { waiter.answer.resume(throwing: error) }
        }
    }
}

extension StoreError {
    /// Whether the fault lies in a row and not in the whole: halving the set finds it.
    public var isAboutOneRow: Bool {
        switch self {
        case .constraint, .unholdable: true
        case .unavailable, .overloaded, .conflict, .statement, .sessionClosed, .newer, .refused, .damaged: false
        }
    }
}
