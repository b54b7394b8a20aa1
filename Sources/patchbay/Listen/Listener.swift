import Engine
import Kit

/// Passes on what a server receives, in order, each thing once the one before was taken.
struct Listener {
    let server: APIClient
    let source: ParcelSource
    let application: LocalApplication
    let state: ListenState
    /// Tries for one thing before it is left; nil for as many as it takes.
    let attemptsMax: Int?
    let isJSON: Bool

    /// Until the task is cancelled.
    func run(after position: Int64) async throws {
        let follower = ChangeFollower(
            server: server, types: source.isOfDeliveries ? "event.received" : source.types.list)
        try await follower.follow(after: position) { change in
            guard let parcel = try await parcel(of: change) else { return }
            if try await pass(parcel) { try state.save(parcel.position, passedOn: parcel.delivery) }
        }
    }

    /// Asks the server for as long as it is away.
    private func parcel(of change: FollowedChange) async throws -> Parcel? {
        var failures = 0
        while true {
            do {
                return try await source.parcel(of: change, hasPassedOn: state.hasPassedOn)
            } catch let fault as Fault where fault.code == 3 {
                failures += 1
                if failures == 2 { note("The server is away; waiting for it.") }
                try await Task.sleep(for: Patience.pause(after: failures))
            }
        }
    }

    /// Whether it is done with: taken, or left after the last try.
    private func pass(_ parcel: Parcel) async throws -> Bool {
        var attempt = 0
        while true {
            attempt += 1
            let (outcome, took) = await application.take(parcel)
            let isLast = attempt == attemptsMax
            // A dead port says the same again and again.
            if outcome != .unreachable || attempt == 1 || isLast { show(parcel, outcome, took, attempt) }
            if outcome == .unreachable, attempt == 1 { note("\(application.address) does not answer; waiting for it.") }
            if outcome.isTaken { return true }
            if isLast {
                note("\(parcel.id) is left after \(attempt) tries.")
                return true
            }
            if Task.isCancelled { return false }
            try await Task.sleep(for: Patience.pause(after: attempt))
        }
    }

    private func show(_ parcel: Parcel, _ outcome: LocalApplication.Outcome, _ took: Duration, _ attempt: Int) {
        let milliseconds = took.microseconds / 1000
        var status: Int?
        if case .answered(let code) = outcome { status = code }
        guard isJSON else {
            let word = status.map(String.init) ?? "away"
            say(
                "\(LocalTime.clock(.system))  \(parcel.type.visible(atMost: 60))  \(parcel.id.visible(atMost: 60))  "
                    + (outcome.isTaken ? Colour.green(word) : Colour.red(word)) + "  \(milliseconds) ms")
            return
        }
        let line: JSON = [
            "at": JSON(Timestamp.system), "type": .string(parcel.type), "id": .string(parcel.id),
            "provider": JSON(parcel.provider), "delivery_id": JSON(parcel.delivery), "position": JSON(parcel.position),
            "attempt": JSON(attempt), "taken": .bool(outcome.isTaken), "status": status.map { JSON($0) } ?? .null,
            "milliseconds": JSON(milliseconds),
        ]
        say(line.line)
    }
}
