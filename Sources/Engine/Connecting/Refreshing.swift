public import Kit
public import Logging
public import Store
import Synchronization

/// Gets new tokens: one request at a time for a connection, over all nodes, whoever asks.
///
/// Across nodes the row of the tokens holds the flight: its attempt is on disk before the request leaves, no
/// connection to the database is held while the platform thinks, and new tokens replace just those that were used.
/// Within a node the flight is shared.
public final class Refreshing: Sendable {
    /// What came of it.
    public enum Renewal: Sendable, Equatable {
        /// There are new tokens, of this version.
        case renewed(Int64)
        /// None yet; not before this time.
        case later(Timestamp)
        /// Somebody else asks at present.
        case held
        /// There is no refresh token: what it has is used to its end.
        case nothing
        /// The account must be connected again, or is gone.
        case ended
    }

    /// What a caller may do to the rules.
    public enum Insistence: Sendable { case usual, accessRefused, byHand }

    /// How long one waits for a refresh of somebody else's.
    public static let patience = TokenDesk.deadline + .seconds(5)

    private struct Flight {
        let number: Int
        let terms: Terms
        let task: Task<Renewal, any Error>
    }
    /// On what terms somebody asks.
    private struct Terms {
        let version: Int64
        let insistence: Insistence
        let patience: Duration

        /// Whether what came of these is what would come of others.
        func answer(_ others: Terms, _ renewal: Renewal) -> Bool {
            switch renewal {
            case .renewed(let version): version > others.version
            case .ended: true
            case .later, .held, .nothing:
                insistence == others.insistence && patience >= others.patience && version >= others.version
            }
        }
    }
    private struct State {
        var flights: [String: Flight] = [:]
        var next = 0
    }
    private let state = Mutex(State())
    let steps: RefreshSteps
    let time: TimeSource
    private let watch: RefreshWatch

    public init(
        platforms: [String: any Connectable], apps: ConnectionApps, desk: TokenDesk, database: any Database,
        vault: Vault, node: @escaping @Sendable () -> ID<NodeKind>, ids: Identifiers, time: TimeSource, bells: Bells,
        logger: Logger
    ) {
        self.time = time
        watch = RefreshWatch(uptime: time.uptime)
        steps = RefreshSteps(
            platforms: platforms, apps: apps, desk: desk, database: database, vault: vault, node: node, ids: ids,
            time: time, bells: bells, logger: logger)
    }

    /// Tokens newer than `version`: those that are there, or those that a refresh brings.
    ///
    /// - Parameter patience: how long to wait for another node's refresh.
    /// - Throws: what the database throws. The refresh itself goes on when its caller no longer waits.
    public func renew(
        _ id: ID<ConnectionKind>, from version: Int64, _ insistence: Insistence = .usual, patience: Duration
    ) async throws -> Renewal {
        let (terms, began) = (Terms(version: version, insistence: insistence, patience: patience), time.uptime())
        while true {
            let (flight, isOurs) = flight(for: id, terms)
            let renewal = try await flight.task.value
            if isOurs || flight.terms.answer(terms, renewal) || time.uptime() - began > patience { return renewal }
        }
    }

    /// The flight that is on its way, or a new one.
    private func flight(for id: ID<ConnectionKind>, _ terms: Terms) -> (flight: Flight, isOurs: Bool) {
        state.withLock { state in
            if let flight = state.flights[id.text] { return (flight, false) }
            state.next += 1
            let number = state.next
            let flight = Flight(
                number: number, terms: terms,
                task: Task {
                    defer { self.land(id, number) }
                    return try await self.fly(id, terms)
                })
            state.flights[id.text] = flight
            return (flight, true)
        }
    }

    private func land(_ id: ID<ConnectionKind>, _ number: Int) {
        state.withLock { state in
            if state.flights[id.text]?.number == number { state.flights[id.text] = nil }
        }
    }

    /// Asks, or waits for whoever asks.
    private func fly(_ id: ID<ConnectionKind>, _ terms: Terms) async throws -> Renewal {
        let began = time.uptime()
        var pause = Duration.milliseconds(100)
        var takingOver: RefreshAttempt?
        while true {
            let wish = RefreshSteps.Wish(
                version: terms.version, takingOver: takingOver, insistence: terms.insistence)
            switch try await steps.begin(id, wish) {
            case .ended: return .ended
            case .nothing: return .nothing
            case .newer(let version): return .renewed(version)
            case .later(let moment): return .later(moment)
            case .begun(let ticket):
                watch.forget(id)
                return try await steps.ask(ticket)
            case .held(let attempt, let hasEnded):
                if watch.isOver(id, attempt, hasEnded: hasEnded) {
                    takingOver = attempt
                    continue
                }
                guard time.uptime() - began < terms.patience else { return .held }
                try await time.sleep(pause)
                pause = min(pause * 2, .seconds(1))
            }
        }
    }
}
