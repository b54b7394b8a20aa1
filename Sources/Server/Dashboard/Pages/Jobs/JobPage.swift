import Engine
import Kit
import Store

/// One job: why it waits, what happened so far, and what can be done.
enum JobPage {
    struct Model: Sendable {
        struct Gate: Sendable {
            let lamp: Lamp
            let name: String
            let text: String
            let right: String
            /// Of the one that holds.
            let until: TimeModel?
            let isTodo: Bool
        }
        struct Neighbour: Sendable {
            let link: Link
            let what: String
            let place: String
        }
        struct Note: Sendable {
            let state: String
            let lamp: Lamp
            let strong: String
            let more: String?
        }
        let title: String
        let note: Note?
        let gates: [Gate]
        let steps: [Step]
        let facts: [Fact]
        let neighbours: [Neighbour]
        let input: String
        /// Where a reason may be sent to end it.
        let close: String?
    }

    struct Found: Sendable {
        let place: JobPlace
        let facts: LiveJobFacts?
        /// Of earlier attempts, the oldest first.
        let failures: [JobFailure]
        let line: [(id: ID<JobKind>, kind: String, subject: String?)]
    }

    private static let lineShown = 5

    static let page = Page(
        path: "/jobs/{id}", entry: .jobs, template: "job", fragments: ["job-now", "job-story", "job-facts"],
        every: .seconds(2)
    ) { request in
        let (id, now, words) = (try request.id(JobKind.self), request.now, request.words)
        let found = try await request.app.database.read("job_page") { session in
            try session.place(of: id, at: now).map { place in
                Found(
                    place: place, facts: try session.liveFacts(of: id), failures: try session.failures(of: id),
                    line: place.job.state == "available" || place.job.state == "waiting"
                        ? try session.line(in: place.job.lane, limit: lineShown) : [])
            }
        }
        guard let found else { throw PageProblem.notFound }
        let job = found.place.job
        var head = Head(job.kind)
        head.crumbs = [Link(words("nav.jobs"), "/jobs")]
        head.id = ShortID(id.text)
        head.isCode = true
        head.pill = JobWords.pill(job, gate(found.place), request)
        head.lede = job.subject.map { words("job.about", ["subject": ShortID($0).short]) }
        if request.mayAct { head.actions = actions(job, words) }
        return PageContent(
            head, model(found, request),
            commands: [
                request.curl("/v1/jobs/\(id)/why"), Command("CLI", "patchbay jobs why \(id)"),
                Command("CLI", "patchbay trace \(id)"),
            ])
    }

    static func model(_ found: Found, _ request: PageRequest) -> Model {
        let (job, words) = (found.place.job, request.words)
        let isLive = job.finishedAt == nil
        let mayClose = request.mayAct && (isLive || job.state == "dead")
        return Model(
            title: words(isLive ? "job.why" : "job.ended"), note: note(found.place, request),
            gates: isLive ? gates(found, request) : [], steps: steps(found, request), facts: facts(found, request),
            neighbours: found.line.enumerated().map { number, other in
                Model.Neighbour(
                    link: Link(other.kind, "/jobs/\(other.id)"),
                    what: other.id == job.id ? words("job.this") : other.subject.map { ShortID($0).short } ?? "",
                    place: words.number(number + 1))
            },
            input: OutsideText.bounded(job.input, 8192), close: mayClose ? "/jobs/\(job.id)/close" : nil)
    }

    private static func gate(_ place: JobPlace) -> LaneGate? {
        place.gatedUntil.map { LaneGate(until: $0, name: place.gate, reason: place.gateReason) }
    }

    private static func actions(_ job: JobRow, _ words: Words) -> [HeadAction] {
        func form(_ label: String, _ act: String, first: Bool = false, danger: Bool = false, key: String? = nil)
            -> HeadAction
        {
            var action = HeadAction(words(label), "/jobs/\(job.id)/\(act)", key: key, isFirst: first)
            (action.isForm, action.isDanger) = (true, danger)
            return action
        }
        switch job.state {
        case "dead", "cancelled": return [form("job.retry", "retry", first: true, key: "r")]
        case "scheduled":
            return [form("job.cancel", "cancel", danger: true), form("job.run_now", "retry", first: true, key: "r")]
        case "available", "waiting", "running": return [form("job.cancel", "cancel", danger: true)]
        default: return []
        }
    }

    // MARK: Why

    private static func note(_ place: JobPlace, _ request: PageRequest) -> Model.Note? {
        let (job, words) = (place.job, request.words)
        func note(_ state: LampState, _ strong: String, _ more: String? = nil) -> Model.Note {
            Model.Note(state: state.rawValue, lamp: Lamp(state), strong: strong, more: more)
        }
        switch job.state {
        case "scheduled":
            let time = job.dueAt.map { request.times.moment($0).text } ?? "?"
            return note(
                .waiting, words(job.attempts > 0 ? "job.note.again" : "job.note.scheduled", ["time": time]), job.reason)
        case "waiting":
            let time = place.gatedUntil.map { request.times.moment($0).text } ?? "?"
            return note(
                .waiting, place.gateReason ?? words("jobs.why.gate"), words("job.note.opens", ["time": time]))
        case "available": return note(.waiting, words("job.note.turn"), ahead(place, words))
        case "running":
            return note(
                .running, words("job.note.running", ["n": words.number(job.attempts)]),
                job.isCancelled ? words("job.note.stopping") : nil)
        case "dead":
            return note(
                .failed, words.count("job.note.dead", Int(job.attempts)),
                [job.reason, words("job.note.dead_help")].compactMap { $0 }.joined(separator: " "))
        case "cancelled": return note(.paused, words("job.note.cancelled"), job.reason)
        default: return note(.ok, words("job.note.succeeded"))
        }
    }

    private static func ahead(_ place: JobPlace, _ words: Words) -> String {
        place.ahead > JobPlace.aheadMax
            ? words("job.ahead_many", ["n": words.number(JobPlace.aheadMax)])
            : words.count("job.ahead", Int(place.ahead))
    }

    /// Schedule, gate, turn, run: in this order, the one that holds with its time.
    private static func gates(_ found: Found, _ request: PageRequest) -> [Model.Gate] {
        let (place, job, words, times) = (found.place, found.place.job, request.words, request.times)
        func gate(_ name: String, _ state: LampState, _ text: String, until: Timestamp? = nil) -> Model.Gate {
            let right =
                switch state {
                case .ok: words("job.gate.passed")
                case .todo: words("job.gate.then")
                default: ""
                }
            return Model.Gate(
                lamp: Lamp(state), name: words("job.gate.\(name)"), text: text, right: right,
                until: until.map(times.moment), isTodo: state == .todo)
        }
        let due = job.dueAt ?? job.createdAt
        let isScheduled = job.state == "scheduled"
        let schedule =
            isScheduled
            ? gate("schedule", .waiting, words("job.gate.at", ["time": times.moment(due).text]), until: due)
            : gate("schedule", .ok, words("job.gate.due", ["time": times.moment(due).text]))
        let lane: Model.Gate
        if let until = place.gatedUntil, job.state != "running" {
            lane = gate(
                "lane", isScheduled ? .todo : .waiting, place.gateReason ?? place.gate ?? words("jobs.why.gate"),
                until: isScheduled ? nil : until)
        } else {
            lane = gate("lane", isScheduled ? .todo : .ok, words("job.gate.open"))
        }
        let turn =
            switch job.state {
            case "running": gate("turn", .ok, words("job.gate.had_turn"))
            case "available": gate("turn", .waiting, ahead(place, words))
            default: gate("turn", .todo, words("job.note.turn"))
            }
        let run =
            job.state == "running"
            ? gate(
                "run", .running,
                words(
                    "job.gate.runs",
                    [
                        "node": found.facts?.node.map { ShortID($0).short } ?? "?",
                        "age": job.startedAt.map(times.age) ?? "?",
                    ]))
            : gate("run", .todo, words("job.gate.run.kind", ["kind": job.kind]))
        return [schedule, lane, turn, run]
    }

    // MARK: So far

    private static func steps(_ found: Found, _ request: PageRequest) -> [Step] {
        let (job, words, times) = (found.place.job, request.words, request.times)
        func step(_ state: LampState, _ what: String, _ at: Timestamp?, why: String? = nil) -> Step {
            var step = Step(state, what)
            (step.time, step.why) = (at.map(times.exact), why)
            return step
        }
        var steps = [step(.ok, words("job.step.made"), job.createdAt)]
        // What came before the failures that are kept.
        if let failed = found.facts?.firstFailedAt, job.attempts > 1, failed < found.failures.first?.at ?? job.createdAt
        {
            steps.append(step(.failed, words("job.step.first_failed"), failed))
        }
        for failure in found.failures {
            let number = [
                "n": words.number(failure.attempt), "m": words.number(RetryPolicy.usual.attemptsMax),
            ]
            steps.append(step(.failed, words("job.step.failed", number), failure.at, why: failure.problem))
        }
        if let deaths = found.facts?.deaths, deaths > 0 {
            steps.append(step(.failed, words.count("job.step.deaths", Int(deaths)), nil))
        }
        let attempt = ["n": words.number(job.attempts), "m": words.number(RetryPolicy.usual.attemptsMax)]
        if job.finishedAt == nil, job.attempts > 0, job.state != "running", found.failures.last?.attempt != job.attempts
        {
            steps.append(step(.failed, words("job.step.failed", attempt), job.startedAt, why: job.reason))
        }
        switch job.state {
        case "running": steps.append(step(.running, words("job.step.running", attempt), job.startedAt))
        case "succeeded", "cancelled", "dead":
            steps.append(
                step(
                    JobWords.state(job.state), words("job.step.\(job.state)", attempt), job.finishedAt,
                    why: job.reason))
        default:
            let next = ["n": words.number(job.attempts + 1), "m": words.number(RetryPolicy.usual.attemptsMax)]
            let at = job.state == "scheduled" ? job.dueAt : found.place.gatedUntil
            steps.append(step(.todo, words("job.step.next", next), at))
        }
        return steps
    }

    private static func facts(_ found: Found, _ request: PageRequest) -> [Fact] {
        let (job, words, times) = (found.place.job, request.words, request.times)
        var facts = [
            Fact(
                words("job.fact.kind"), job.kind, href: "/jobs?q=kind:\(PercentEncoding.encode(job.kind))", isCode: true
            ),
            Fact(words("job.fact.priority"), words.text("priority.\(job.priority)") ?? job.priority),
        ]
        if let subject = job.subject {
            let link = Places.link(subject)
            facts.append(Fact(words("job.fact.subject"), link.label, href: link.href, isCode: true))
        }
        facts.append(
            Fact(
                words("job.fact.lane"), job.lane,
                href: "/jobs" + BrowserText.query([("q", "lane:\(job.lane)")]), isCode: true))
        facts.append(Fact(words("job.fact.attempts"), JobWords.attempts(job, words)))
        if let node = found.facts?.node {
            facts.append(Fact(words("job.fact.node"), ShortID(node).short, href: "/system/nodes#\(node)", isCode: true))
        }
        facts.append(Fact(words("job.fact.made"), times.moment(job.createdAt)))
        if let end = job.finishedAt { facts.append(Fact(words("job.fact.ended"), times.moment(end))) }
        facts.append(
            Fact(
                words("job.fact.terminal"), "patchbay jobs why", isCode: true, copied: "patchbay jobs why \(job.id)"))
        return facts
    }

    // MARK: Forms

    static let forms = [
        PageForm(path: "/jobs/{id}/retry") { request in
            _ = try await request.perform(JobsAPI.retry, path: ["id": try request.id(JobKind.self).text])
            return .seeOther("/jobs/\(request.parameter())", note: "job_retried")
        },
        PageForm(path: "/jobs/{id}/cancel") { request in
            _ = try await request.perform(JobsAPI.cancel, path: ["id": try request.id(JobKind.self).text])
            return .seeOther("/jobs/\(request.parameter())", note: "job_cancelled")
        },
        PageForm(path: "/jobs/{id}/close") { request in
            _ = try await request.perform(close(request), path: ["id": try request.id(JobKind.self).text])
            return .seeOther("/jobs/\(request.parameter())", note: "job_closed")
        },
    ]

    /// Ends a job with a person's reason: one that gave up, or one that waits.
    private static func close(_ request: PageRequest) -> Action {
        let given = OutsideText.bounded(
            (request.form["reason"] ?? "").split(whereSeparator: \.isNewline).joined(separator: " "), 500)
        let reason = given.isEmpty ? request.words("job.closed_plain") : given
        let changeID = request.app.ids.make(ChangeKind.self)
        return Action(
            "closeJob", "Close a job with a reason", .needs(.write, "jobs"), path: [.id(JobKind.self)],
            isIdempotent: true, answers: []
        ) { api in
            try await api.wish("job.closed") { session, id, now in
                var wish = try session.closeDead(id, reason: reason, at: now)
                if wish == .unknown { wish = try session.cancel(id, reason: reason, at: now) }
                if wish == .done { try session.resolve(.jobDead, id.text, changeID: changeID, at: now) }
                return wish
            }
        }
    }
}
