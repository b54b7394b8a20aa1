import Kit
import Store

/// A run that does something with many things: how far it is, cancel, report.
enum RunPage {
    struct Model: Sendable {
        let progress: ProgressModel
        let facts: [Fact]
        let report: String
        /// Why the last one was refused, where one was.
        let reason: String?
        let cancel: String?
        /// The job that stopped, of a run that did not come to its end.
        let job: Link?
        let back: Link
    }

    static let page = Page(
        path: "/runs/{id}", entry: .jobs, template: "run", fragments: ["run-now"], every: .seconds(1)
    ) { request in
        let (id, words) = (try request.id(BulkRunKind.self), request.words)
        guard let run = try await request.app.database.read("bulk_run", { try $0.bulkRun(id) }) else {
            throw PageProblem.notFound
        }
        var head = Head(words.text("run.title.\(run.what)") ?? run.what)
        head.crumbs = [back(run, words)]
        head.id = ShortID(id.text)
        head.pill = Pill(lamp(run), words("run.state.\(run.state.rawValue)"))
        return PageContent(head, model(run, request))
    }

    private static func lamp(_ run: BulkRun) -> LampState {
        switch run.state {
        case .running: .running
        case .done: run.refused == 0 ? .ok : .needs
        case .cancelled: .paused
        case .stopped: .failed
        }
    }

    private static func back(_ run: BulkRun, _ words: Words) -> Link {
        switch BulkWork(run.what, stored: run.selection) {
        case .some(.reviews): Link(words("nav.review"), "/review")
        case .some(.endpoint(let id, _)): Link(words("nav.endpoints"), "/endpoints/\(id)")
        case .some(.jobs), nil: Link(words("nav.jobs"), "/jobs")
        }
    }

    static func model(_ run: BulkRun, _ request: PageRequest) -> Model {
        let words = request.words
        let (seen, total) = (run.done + run.refused, run.total)
        let isOpen = total > Int64(BulkWork.countMax)
        let share: Int? =
            run.state == .done ? 100 : isOpen || total <= 0 ? nil : Int(min(100, seen * 100 / total))
        let sentence = words(
            isOpen ? "run.progress_open" : "run.progress", ["n": words.number(seen), "total": words.number(total)])
        var facts = [
            Fact(words("run.fact.began"), request.times.moment(run.askedAt)),
            Fact(words("run.fact.by"), ShortID(run.askedBy).short, href: Places.page(of: run.askedBy)),
        ]
        if let end = run.finishedAt { facts.append(Fact(words("run.fact.ended"), request.times.moment(end))) }
        var report = words.count("run.done", Int(run.done))
        if run.refused > 0 { report += " " + words.count("run.refused", Int(run.refused)) }
        return Model(
            progress: ProgressModel(state: lamp(run).rawValue, share: share, sentence: sentence + rest(run, words)),
            facts: facts, report: report, reason: run.reason,
            cancel: run.state == .running && request.mayAct ? "/runs/\(run.id)/cancel" : nil,
            job: run.state == .stopped
                ? Link(words("run.job"), "/jobs" + BrowserText.query([("q", "subject:\(run.id)")])) : nil,
            back: back(run, words))
    }

    private static func rest(_ run: BulkRun, _ words: Words) -> String {
        switch run.state {
        case .running: " " + words("run.leave")
        case .stopped: ". " + words("run.stopped")
        case .done, .cancelled: ""
        }
    }

    static let form = PageForm(path: "/runs/{id}/cancel") { request in
        let id = try request.id(BulkRunKind.self)
        let cancel = Action("cancelRun", "Cancel a run", .needs(.write, "jobs"), isIdempotent: true, answers: []) {
            api in
            let (auditID, now) = (api.app.ids.make(AuditKind.self), api.now)
            return try await api.once("cancel_run") { session in
                guard try session.bulkRun(id, held: true) != nil else { throw PageProblem.notFound }
                if try session.cancelBulkRun(id, at: now) {
                    try session.audit(NewAudit(auditID, "bulk.cancelled", id.text, by: api))
                }
                return .noContent
            }
        }
        _ = try await request.perform(cancel)
        return .seeOther("/runs/\(id)")
    }
}
