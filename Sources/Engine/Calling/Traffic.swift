public import Kit
import Store

/// What every call passes, whatever it carries: quota, circuit, the attempts, and the record of each.
public struct Traffic: Sendable {
    /// A call whose units are not there waits so long in place; then its lane is gated.
    static let patience = Duration.seconds(1)

    public let quotas: Quotas
    public let circuits: Circuits
    private let budget = RetryBudget()
    private let recorder: CallRecorder
    public let captures: Captures?
    private let ids: Identifiers
    let time: TimeSource

    /// - Parameter captures: nil where no body is ever kept.
    public init(
        quotas: Quotas, circuits: Circuits, recorder: CallRecorder, captures: Captures? = nil, ids: Identifiers,
        time: TimeSource
    ) {
        self.captures = captures
        self.quotas = quotas
        self.circuits = circuits
        self.recorder = recorder
        self.ids = ids
        self.time = time
    }

    /// Waits until every call is written down, ten seconds at most.
    public func drain() async { await recorder.drain() }

    /// Lines that waited, for whoever takes them along in a commit.
    func take(_ lines: CallLines) -> [CallRow] { lines.take(ids) }
    /// The same where nobody did.
    func keep(_ rows: [CallRow]) { for row in rows { recorder.keep(row) } }

    /// What a call is, as far as its way out goes.
    struct Exchange: Sendable {
        let provider: About
        let host: String
        let method: String
        let path: Path
        let spends: [Spending]
        let repeating: Repetition
        let deadline: Duration
        let context: CallContext
        /// What may be captured of it; nil for a call that is about secrets alone.
        var content: Content?
    }

    /// What leaves.
    struct Content: Sendable {
        let url: String
        let headers: [Field]
        /// Empty where it is passed on.
        let body: [UInt8]
        let authorization: Secret
    }

    /// What one attempt came to.
    struct Outcome: Sendable {
        var answer: Answer?
        var failure: Failure?
        /// Our own network's fault, which is not charged to the platform.
        var isOurs = false
        var bytesSent: Int64 = 0
        var bytesReceived: Int64 = 0
        /// A body that was passed on as it was read.
        var passed: Passage?
    }

    /// Sends, and sends again what may be. Read downwards: this is the order of things.
    ///
    /// - Parameter attempt: one attempt within so long; never throws.
    func exchange(
        _ exchange: Exchange, _ attempt: @Sendable (Duration) async -> Outcome
    ) async throws(CallProblem) -> Outcome {
        let began = time.uptime()
        var (number, last) = (1, Failure?.none)
        while true {
            let ticket: Quotas.Ticket
            do { ticket = try await permit(exchange) } catch { throw error.after(last, at: time.now()) }
            if number == 1 { budget.earn(exchange.provider.id) }
            let outcome = await observed(
                exchange, number, ticket, within: exchange.deadline - (time.uptime() - began), attempt)
            guard let failure = outcome.failure else { return outcome }
            let pause = Repeats.pause(after: number, asked: failure.retryAfter, chance: ids.unit())
            guard number < Repeats.attemptsMax, Repeats.isSafe(failure, exchange.repeating),
                time.uptime() - began + pause < exchange.deadline, budget.spend(exchange.provider.id)
            else { throw .failed(failure) }
            do { try await time.sleep(pause) } catch { throw .failed(failure) }
            (number, last) = (number + 1, failure)
        }
    }

    /// Units of every quota, then a circuit that lets pass. What is held in the end gives back what it took.
    func permit(_ exchange: Exchange) async throws(CallProblem) -> Quotas.Ticket {
        let needs = quotas.needs(exchange.spends, of: exchange.provider.id, exchange.path, exchange.context)
        let ticket: Quotas.Ticket
        do { ticket = try await quotas.take(needs, as: exchange.context.claimant, patience: Self.patience) } catch {
            throw .held(error)
        }
        do { try await circuits.pass(exchange.host, of: exchange.provider) } catch {
            quotas.giveBack(ticket)
            throw .held(error)
        }
        return ticket
    }

    private func observed(
        _ exchange: Exchange, _ number: Int, _ ticket: Quotas.Ticket, within deadline: Duration,
        _ attempt: @Sendable (Duration) async -> Outcome
    ) async -> Outcome {
        let capture = await capture(for: exchange)
        let (at, began) = (time.now(), time.uptime())
        let outcome = await attempt(deadline)
        await conclude(exchange, number, ticket, outcome, at: at, took: time.uptime() - began, in: capture)
        return outcome
    }

    /// What a call that leaves now is captured in; nil where nobody has asked for that.
    func capture(for exchange: Exchange) async -> ID<CaptureKind>? { await captures?.open(for: exchange) }

    /// The head of an answer came: what it says of limits holds now, however long its body takes.
    func heard(_ head: Answer, _ failure: Failure?, _ ticket: Quotas.Ticket) {
        var refused: Duration?? = nil
        if case .throttled(let wait)? = failure?.kind { refused = .some(wait) }
        quotas.settle(ticket, learning: head, refusedFor: refused, of: failure?.quota)
    }

    /// What an attempt teaches, and its line in the log.
    ///
    /// - Parameters:
    ///   - ticket: nil where its head was heard before.
    ///   - capture: what its bodies are kept in.
    func conclude(
        _ exchange: Exchange, _ number: Int, _ ticket: Quotas.Ticket?, _ outcome: Outcome, at: Timestamp,
        took: Duration, in capture: ID<CaptureKind>? = nil
    ) async {
        var refused: Duration?? = nil
        if case .throttled(let wait)? = outcome.failure?.kind { refused = .some(wait) }
        if let ticket {
            quotas.settle(ticket, learning: outcome.answer, refusedFor: refused, of: outcome.failure?.quota)
        }
        if !outcome.isOurs {
            var isDown = false
            if case .unavailable? = outcome.failure?.kind { isDown = true }
            await circuits.note(
                exchange.host, of: exchange.provider, isFailure: isDown, reason: outcome.failure?.message ?? "")
        }
        var row = CallRow(
            id: ids.make(), provider: exchange.provider.id, purpose: exchange.context.purpose,
            method: exchange.method, host: exchange.host, path: OutsideText.bounded(exchange.path.template), at: at)
        row.latency = took
        row.status = outcome.answer.map { Int64($0.status) }
        row.outcome = outcome.failure?.kind.name ?? "ok"
        row.code = outcome.failure?.code
        row.cost = exchange.spends.reduce(0) { $0 + Int64($1.units) }
        row.attempt = Int64(number)
        row.bytesSent = outcome.bytesSent
        row.bytesReceived = outcome.bytesReceived
        row.connection = exchange.context.connection
        row.userID = exchange.context.userID
        row.subject = exchange.context.subject
        row.correlation = exchange.context.correlation
        if let capture { row.captured = await captures?.captured(exchange, outcome, of: row.id, in: capture) }
        recorder.note(row, in: exchange.context.lines)
    }
}

extension CallProblem {
    /// A call that is held when it is to be sent again has left before: what that may have done stays said, and the
    /// hold only says until when it waits.
    fileprivate func after(_ last: Failure?, at now: Timestamp) -> CallProblem {
        guard case .held(let hold) = self, let last else { return self }
        return .failed(
            Failure(
                last.kind.waiting(max(last.retryAfter ?? .zero, hold.until - now)), last.message, code: last.code,
                who: last.who, effect: last.effect, quota: last.quota))
    }
}

extension Failure.Kind {
    fileprivate func waiting(_ wait: Duration) -> Self {
        switch self {
        case .throttled: .throttled(retryAfter: wait)
        case .unavailable: .unavailable(retryAfter: wait)
        case .unauthorized, .forbidden, .notFound, .refused, .garbled: self
        }
    }
}
