import Kit
import Logging
import Store

/// What becomes of a try.
extension EndpointRun {
    mutating func absorb(_ report: RunControl.Report) {
        switch report {
        case .tried(let shipment, let result, let at, let latency): settle(shipment, result, at: at, latency)
        case .recorded(let result): absorb(result)
        }
    }

    private mutating func settle(
        _ shipment: Shipment, _ result: Result<WireAnswer, WireFailure>, at: Timestamp, _ latency: Duration
    ) {
        switch result {
        case .success(let answer):
            settle(shipment, Tried(at: at, latency: latency, answer: answer, problem: nil))
        case .failure(.cancelled):
            window.putBack(shipment)
        case .failure(.ownNetwork(let problem)):
            window.putBack(shipment)
            pace.ownNetworkFailed(at: tools.time.now())
            tools.logger.warning("endpoint.own_network_failed", metadata: ["problem": "\(problem)"])
        case .failure(let failure):
            settle(shipment, Tried(at: at, latency: latency, answer: nil, problem: failure.sentence))
        }
    }

    /// A try that counts.
    private struct Tried {
        let at: Timestamp
        let latency: Duration
        let answer: WireAnswer?
        let problem: String?

        var isSuccess: Bool { answer.map { (200..<300).contains($0.status) } ?? false }
        /// Whether there was too much for the other side.
        var isOverload: Bool { answer.map { [429, 502, 503, 504].contains($0.status) } ?? true }
    }

    private mutating func settle(_ shipment: Shipment, _ tried: Tried) {
        if tried.isSuccess {
            deliver(shipment, tried)
        } else if tried.answer?.status == 410 {
            end(shipment, tried)
        } else {
            fail(shipment, tried)
        }
    }

    private mutating func deliver(_ shipment: Shipment, _ tried: Tried) {
        pace.succeeded()
        judge.succeeded(at: tried.at)
        if let due = shipment.due { book.finish(due.position) }
        write(shipment, tried, .delivered)
        window.ended(shipment, isAside: false)
    }

    /// 410. The change stays aside, for the day when somebody switches the endpoint on again.
    private mutating func end(_ shipment: Shipment, _ tried: Tried) {
        tell(judge.gone())
        book.moveAside(aside(shipment, attempts: shipment.number - 1, at: tried.at, first: tried.at))
        write(shipment, tried, .gone)
        window.ended(shipment, isAside: true)
    }

    private mutating func fail(_ shipment: Shipment, _ tried: Tried) {
        let now = tools.time.now()
        pace.failed(isOverload: tried.isOverload, at: now)
        tell(judge.failed(at: now))
        let status = tried.answer?.status
        // What a refusal without need asks for is not obeyed: only these two statuses define the header so.
        let asked =
            status == 429 || status == 503 ? RetryAfter.read(tried.answer?.headers["retry-after"], at: now) : nil
        if status == 429, let asked { judge.pause(until: now + asked) }
        guard let delay = RetrySchedule.delay(after: shipment.number, unit: tools.identifiers.unit(), asked: asked)
        else {
            return drop(shipment, tried)
        }
        let next = now + delay
        book.moveAside(aside(shipment, attempts: shipment.number, at: next, first: tried.at))
        write(shipment, tried, .failed, nextAt: next)
        window.ended(shipment, isAside: true)
        window.dueAgain(at: next)
    }

    /// The last try has failed.
    private mutating func drop(_ shipment: Shipment, _ tried: Tried) {
        if let due = shipment.due { book.finish(due.position) }
        write(shipment, tried, .dead)
        let marker = changes.dropped(shipment.item, key: shipment.key, attempts: shipment.number, at: tools.time.now())
        if let marker { book.mark(marker) }
        window.ended(shipment, isAside: false)
    }

    private func aside(_ shipment: Shipment, attempts: Int64, at moment: Timestamp, first: Timestamp) -> DueChange {
        DueChange(
            position: shipment.item.position, orderingKey: shipment.key, attempts: attempts, dueAt: moment,
            firstAt: shipment.due?.firstAt ?? first, isHeld: false)
    }

    private mutating func write(
        _ shipment: Shipment, _ tried: Tried, _ outcome: Attempt.Outcome, nextAt: Timestamp? = nil
    ) {
        let attempt = Attempt(
            id: tools.identifiers.make(), endpoint: endpoint.id, position: shipment.item.position,
            change: shipment.item.id, type: shipment.item.type, number: shipment.number, at: tried.at,
            latency: tried.latency, outcome: outcome, status: tried.answer.map { Int64($0.status) },
            problem: tried.problem, answer: tried.answer?.body, nextAt: nextAt)
        book.add(attempt, of: shipment)
        tools.metrics.count(
            "patchbay_attempts_total", ["outcome": outcome.rawValue],
            help: "Tries to deliver a change to an endpoint, by what came of them.")
    }

    // MARK: The endpoint

    private var changes: EndpointChanges {
        EndpointChanges(endpoint: endpoint.id, url: endpoint.url, identifiers: tools.identifiers)
    }

    private mutating func tell(_ verdicts: [EndpointJudge.Verdict]) {
        guard !verdicts.isEmpty else { return }
        let now = tools.time.now()
        for verdict in verdicts {
            tools.logger.notice("endpoint.judged", metadata: ["endpoint": "\(endpoint.id)", "verdict": "\(verdict)"])
        }
        let since = judge.health.failingSince
        book.judged(verdicts.map { changes.change(for: $0, failingSince: since, at: now) }, at: now)
    }

    /// Warnings come with time, not only with failures.
    mutating func warnIfDue() { tell(judge.warn(at: tools.time.now())) }

    // MARK: Recording

    /// Records in sets, one at a time.
    mutating func record(in group: inout DiscardingTaskGroup, isEnding: Bool) {
        let now = tools.time.now()
        let cursor = window.position
        let verdict = EndpointVerdict(
            version: endpoint.version, state: judge.state, reason: judge.reason, health: judge.health)
        let (id, node, fence) = (endpoint.id, tools.node(), fence)
        let next = book.nextSet(upTo: cursor, isIdle: window.inFlight == 0, isEnding: isEnding, at: now) {
            $0.progress(of: id, node: node, fence: fence, position: cursor, verdict: verdict, at: now)
        }
        guard let (progress, isRepeated) = next else { return }
        group.addTask { [tools, control] in
            do {
                let recorded = try await tools.database.set("endpoints.record", in: .work) {
                    try $0.record(progress, repeated: isRepeated)
                }
                control.post(.recorded(.success(recorded)))
                if !progress.markers.isEmpty || !progress.verdict.changes.isEmpty { tools.written.ring() }
            } catch {
                control.post(.recorded(.failure(error)))
            }
        }
    }

    private mutating func absorb(_ result: Result<RecordedProgress?, any Error>) {
        let now = tools.time.now()
        switch result {
        case .failure(let error):
            tools.logger.warning(
                "endpoint.not_recorded", metadata: ["endpoint": "\(endpoint.id)", "problem": "\(error)"])
            book.failedToRecord(at: now)
        case .success(nil):
            tools.logger.notice("endpoint.lost", metadata: ["endpoint": "\(endpoint.id)"])
            isLost = true
        case .success(let recorded?):
            guard let (progress, tried, stillHeld) = book.recorded(at: now) else { return }
            let keys = Set(progress.later.compactMap(\.orderingKey)).union(recorded.keysTouched)
            window.recorded(tried, keys: keys, keysDue: recorded.keysDue, stillHeld: stillHeld)
            if !recorded.keysDue.isEmpty { window.dueAgain(at: now) }
            if recorded.version != progress.verdict.version { control.reload() }
        }
    }
}
