import Kit
import Store

/// Carries steps from state to state: saves what they have come to, writes down what must not be sent twice before it
/// leaves, and asks a person only where nobody else can tell.
struct StepRunner<State: Steps>: Sendable {
    /// Minor calls, such as chunks, between two savings.
    static var minorsMax: Int { 8 }
    /// In one run of a job; then it begins a new one.
    private static var roundsMax: Int { 2000 }

    let database: any Database
    let vault: Vault
    let time: TimeSource
    let caller: ConnectionCaller
    let errand: ConnectionCaller.Errand
    let subject: State.Subject
    let job: ClaimedJob
    /// Why nothing of it may leave at present, where somebody holds it back: asked before each call. `locks`: what is
    /// found stays so to the end of the transaction.
    var pause: @Sendable (Session, _ now: Timestamp, _ locks: Bool) throws -> Hold? = { _, _, _ in nil }
    /// Makes what a saved state means to whoever asked for the work: ids outside the transaction, the act within it.
    let reached: @Sendable () -> @Sendable (Session, State, Timestamp) throws -> Void
    /// What is written down with a call that leaves: as `reached`.
    var leaving: @Sendable () -> @Sendable (Session, Timestamp) throws -> Void = { { _, _ in } }
    /// Of the calls since the latest saving: they are written down with the next.
    private let lines = CallLines()

    /// Where the work stands in the database, and how far memory is ahead of it.
    private struct Position: Sendable {
        /// The id of the work.
        let work: String
        var ordinal: Int64
        var generation: Int64
        var askedAt: Timestamp?
        var askedUntil: Timestamp?
        /// A call that cannot be taken back has left, or was about to.
        var hasLeft: Bool
        /// The call at hand was sent before, and nobody knows what that did: no later refusal says that it did nothing.
        var isUncertain = false
        var unsaved = 0
    }

    /// Runs until the steps end, wait, or cannot go on.
    func run(_ work: WorkRow) async throws -> StepEnd<State> {
        defer { caller.traffic.keep(caller.traffic.take(lines)) }
        return try await walk(work)
    }

    private func walk(_ work: WorkRow) async throws -> StepEnd<State> {
        var state = try load(work)
        var position = Position(
            work: work.id, ordinal: work.ordinal, generation: work.generation, askedAt: work.askedAt,
            askedUntil: work.askedUntil, hasLeft: work.finalAt != nil, isUncertain: work.askedAt != nil)
        if let until = work.askedUntil, case .call(let call) = state.next(at: time.now()), !maySendAgain(call, position)
        {
            // It has left, or was about to, and nobody here heard an answer. That may still come, for a while.
            guard until <= time.now() else { return .waits(until: until) }
            guard let finder = call.ifUnclear else { return .unclear(Self.unclear(call)) }
            guard try await save(finder, &position) else { return .gone }
            state = finder
        }
        if work.cancelAt != nil, let call = state.givingUp {
            guard let next = try await giveUp(call, from: state, &position) else { return .gone }
            state = next
        }
        for _ in 0..<Self.roundsMax {
            switch state.next(at: time.now()) {
            case .call(let call):
                let (next, end) = try await take(call, from: state, &position)
                if let end { return end }
                guard let next else { return .gone }
                state = next
            case .wait(let until, let then):
                if position.unsaved > 0 || then.saved != state.saved {
                    guard try await save(then, &position) else { return .gone }
                }
                state = then
                if until > time.now() { return .waits(until: until) }
            case .finish(let outcome): return .finished(outcome, state)
            case .fail(let failure): return .failed(failure)
            case .unclear(let unclear): return .unclear(unclear)
            }
        }
        if position.unsaved > 0, try await !save(state, &position) { return .gone }
        return .waits(until: time.now())
    }

    /// Asks the platform to give it up, as somebody wants. Nothing that comes of this is a failure of the work: where
    /// nobody answers, or a limit holds it, it goes on, and is asked for again in the next run. Nil where it is gone.
    private func giveUp(
        _ call: StepCall<State>, from state: State, _ position: inout Position
    ) async throws -> State? {
        var next: State?
        do {
            let heard = try await caller.send(call.outgoing, on: asking)
            if let failure = heard.failure {
                next = failure.passes ? nil : call.refused(failure, heard.answer, heard.at)
            } else if let answer = heard.answer {
                next = try call.then(answer, heard.at)
            }
        } catch CallProblem.held { next = nil } catch is Unreadable { next = nil }
        guard let next else { return state }
        return try await save(next, &position) ? next : nil
    }

    // MARK: One call

    private func take(
        _ call: StepCall<State>, from state: State, _ position: inout Position
    ) async throws -> (State?, StepEnd<State>?) {
        let heard: ConnectionCaller.Heard
        do {
            heard = try await send(call, &position)
        } catch CallProblem.held(let hold) {
            if position.unsaved > 0, try await !save(state, &position) { return (nil, .gone) }
            return (nil, .held(hold))
        } catch is WorkGone {
            return (nil, .gone)
        }
        guard let answer = heard.answer, heard.failure == nil else {
            let failure = heard.failure ?? Failure(.garbled, "No answer came.")
            return try await refused(call, failure, heard, from: state, &position)
        }
        do {
            let next = try call.then(answer, heard.at)
            // A look that found nothing new, or the end, is not worth a commit of its own: it can be looked at again.
            if !call.isJournaled, position.askedAt == nil, position.unsaved == 0,
                next.isOver(at: heard.at) || next.saved == state.saved
            {
                return (next, nil)
            }
            if call.isMinor, !call.isJournaled, position.unsaved < Self.minorsMax - 1 {
                position.unsaved += 1
                return (next, nil)
            }
            return try await save(next, &position) ? (next, nil) : (nil, .gone)
        } catch let unreadable as Unreadable {
            let failure = Failure(.garbled, "An answer could not be read: \(unreadable.reason)")
            return try await refused(call, failure, heard, from: state, &position)
        }
    }

    private func refused(
        _ call: StepCall<State>, _ failure: Failure, _ heard: ConnectionCaller.Heard, from state: State,
        _ position: inout Position
    ) async throws -> (State?, StepEnd<State>?) {
        let hadNoEffect = failure.effect == .none && !(call.isJournaled && (position.isUncertain || heard.mayHaveActed))
        if hadNoEffect, call.isJournaled {
            guard try await unask(&position) else { return (nil, .gone) }
        }
        // What the steps know better is asked of them only where nothing can have happened, or it does no harm.
        if hadNoEffect || maySendAgain(call, position),
            let next = call.refused(failure, heard.answer, heard.at)
        {
            return try await save(next, &position) ? (next, nil) : (nil, .gone)
        }
        if position.unsaved > 0, try await !save(state, &position) { return (nil, .gone) }
        if !hadNoEffect, !maySendAgain(call, position) {
            return (nil, .waits(until: position.askedUntil ?? time.now()))
        }
        if failure.passes { return (nil, .failing(failure, hasLeft: position.hasLeft)) }
        return (nil, position.hasLeft ? .unseen(failure) : .failed(failure))
    }

    private func send(_ call: StepCall<State>, _ position: inout Position) async throws -> ConnectionCaller.Heard {
        guard call.isJournaled else {
            let now = time.now()
            let hold = try await database.read("step_pause") { [pause] in try pause($0, now, false) }
            if let hold { throw CallProblem.held(hold) }
            return try await caller.send(call.outgoing, on: asking)
        }
        var outgoing = call.outgoing
        if case .withKey(let header, _) = outgoing.repeating {
            let key = "\(position.work)/\(position.ordinal)/\(position.generation)"
            outgoing = outgoing.adding(Field(header, key))
        }
        let (work, ordinal, isFinal, deadline) = (
            position.work, position.ordinal, call.isFinal || outgoing.repeating == .never, outgoing.deadline
        )
        let until = time.now() + outgoing.deadline + SendPermit.life
        (position.askedAt, position.askedUntil) = (position.askedAt ?? time.now(), until)
        position.hasLeft = position.hasLeft || isFinal
        return try await caller.send(outgoing, on: asking) {
            try await ask(work, ordinal: ordinal, within: deadline, isFinal: isFinal)
        }
    }

    private var asking: ConnectionCaller.Errand {
        var errand = errand
        errand.lines = lines
        return errand
    }

    /// Written down between all permits in hand and the first byte.
    private func ask(
        _ id: String, ordinal: Int64, within deadline: Duration, isFinal: Bool
    ) async throws -> SendPermit {
        let (issued, now, job, pause) = (time.uptime(), time.now(), job, pause)
        let (until, leaving) = (now + deadline + SendPermit.life, leaving())
        let isNoted = try await database.set("step_ask", in: .work) { session in
            try session.hold(job)
            if let hold = try pause(session, now, true) { throw CallProblem.held(hold) }
            guard try session.ask(id, ordinal: ordinal, until: until, isFinal: isFinal, at: now) else { return false }
            try leaving(session, now)
            return true
        }
        guard isNoted else { throw WorkGone() }
        return SendPermit(issued: issued, uptime: time.uptime)
    }

    private func unask(_ position: inout Position) async throws -> Bool {
        let (now, id, job, ordinal) = (time.now(), position.work, job, position.ordinal)
        (position.askedAt, position.askedUntil, position.hasLeft) = (nil, nil, false)
        position.generation += 1
        return try await database.set("step_unask", in: .work) { session in
            try session.hold(job)
            return try session.unask(id, ordinal: ordinal, isNew: true, at: now)
        }
    }

    /// Whether a call whose outcome is not known may be sent again.
    private func maySendAgain(_ call: StepCall<State>, _ position: Position) -> Bool {
        switch call.outgoing.repeating {
        case .always: true
        case .never: false
        case .withKey(_, let remembered): (position.askedAt ?? time.now()) + remembered / 2 > time.now()
        }
    }

    // MARK: Saving

    private func load(_ work: WorkRow) throws -> State {
        let sealed = Sealed(bytes: work.sealed, keyID: work.keyID)
        let json = try vault.open(sealed, in: StepVault.place(of: work.id)).reveal { bytes in
            try JSON.parse(bytes)
        }
        return try State(saved: json, of: subject)
    }

    private func save(_ state: State, _ position: inout Position) async throws -> Bool {
        let saved = try StepVault.seal(state, of: position.work, vault: vault)
        let (now, id, job, ordinal) = (time.now(), position.work, job, position.ordinal)
        let (reached, calls) = (reached(), caller.traffic.take(lines))
        let isAnew = state.isAnew
        position = Position(
            work: id, ordinal: ordinal + 1, generation: position.generation, hasLeft: position.hasLeft && !isAnew)
        @Sendable func save(_ calls: [CallRow]) async throws -> Bool {
            try await database.set("step_reached", in: .work) { session in
                try session.hold(job)
                guard try session.reach(id, from: ordinal, saved, isAnew: isAnew, at: now) else { return false }
                try reached(session, state, now)
                try session.insert(calls)
                return true
            }
        }
        do {
            let isSaved = try await save(calls)
            if !isSaved { caller.traffic.keep(calls) }
            return isSaved
        } catch let error as StoreError where error.isAboutOneRow && !calls.isEmpty {
            // A line that the log does not take is no reason to lose the step.
            caller.traffic.keep(calls)
            return try await save([])
        } catch {
            caller.traffic.keep(calls)
            throw error
        }
    }

    private static func unclear(_ call: StepCall<State>) -> Unclear {
        Unclear(
            "A call left, and nobody heard what came of it. Did it happen?",
            [.init("call", .string("\(call.outgoing.method.rawValue) \(call.outgoing.path.template)"))])
    }
}

/// Why steps stop for now, or for good.
enum StepEnd<State: Steps>: Sendable {
    case finished(State.Outcome, State)
    case failed(Failure)
    /// What cannot be taken back has left; only the look at what became of it has failed.
    case unseen(Failure)
    case unclear(Unclear)
    case waits(until: Timestamp)
    /// A quota or a circuit.
    case held(Hold)
    /// It may succeed later without anyone doing anything.
    case failing(Failure, hasLeft: Bool)
    /// Somebody has ended the work meanwhile.
    case gone
}

/// Somebody has ended the work, or another run has taken it further.
private struct WorkGone: Error {}

/// Saved steps at rest: sealed, since platforms name addresses that authorize by themselves.
enum StepVault {
    static func place(of id: String) -> Vault.Place { Vault.Place(table: SealedTable.works.rawValue, row: id) }

    static func seal<State: Steps>(_ state: State, of id: String, vault: Vault) throws -> SavedState {
        let bytes = state.saved.bytes
        precondition(bytes.count <= State.savedMax, "saved steps refer to content by its id")
        let sealed = try vault.seal(Secret(bytes), in: place(of: id))
        return SavedState(
            kind: State.kind, version: State.version, sealed: sealed.bytes, keyID: sealed.keyID,
            canGiveUp: state.givingUp != nil)
    }
}

extension Steps {
    fileprivate func isOver(at now: Timestamp) -> Bool {
        switch next(at: now) {
        case .finish, .fail, .unclear: true
        case .call, .wait: false
        }
    }
}

extension Outgoing {
    fileprivate func adding(_ field: Field) -> Outgoing {
        var copy = Outgoing(
            method, path, headers: headers + [field], body: body, within: deadline, spends: spends,
            repeating: repeating)
        (copy.host, copy.part) = (host, part)
        return copy
    }
}
