import Kit
import Store

/// Running many jobs again, or cancelling them: first the plan, then a run that does it.
enum JobsPlanPage {
    /// What somebody chose.
    struct Wish: Sendable {
        let act: BulkWork.JobAct
        let selection: JobSelection
        /// The list's filter that it came from.
        let filter: String

        var back: String { "/jobs" + BrowserText.query([("q", filter.isEmpty ? nil : filter)]) }
    }

    static let page = Page(path: "/jobs/plan", entry: .jobs, template: "plan", needs: .admin) { request in
        let ids = request.queryValues("id", atMost: JobSelection.idsMax)
        let wish = try wish(
            act: request.query["act"], ids: ids, isAll: request.query["all"] == "1", until: request.now, request)
        return PlanPage.content(
            try await plan(wish, isAnew: false, request), crumbs: [Link(request.words("nav.jobs"), "/jobs")], request)
    }

    static let form = PageForm(path: "/jobs/plan") { request in
        let ids = (request.form["ids"] ?? "").split(separator: ",").prefix(JobSelection.idsMax).map(String.init)
        let until = request.form["until"].flatMap(Timestamp.init(rfc3339:)) ?? request.now
        let wish = try wish(
            act: request.form["act"], ids: ids, isAll: request.form["all"] == "1", until: min(until, request.now),
            request)
        let now = request.now
        let kinds = try await request.app.database.read("jobs_plan") { try wish.selection.counts(at: now, in: $0) }
        let count = kinds.reduce(0) { $0 + $1.count }
        guard count > 0, PlanModel.stands(request, count: count) else {
            let plan = try await plan(wish.renewed(at: now), isAnew: true, request)
            return .again(page, PlanPage.content(plan, crumbs: [Link(request.words("nav.jobs"), "/jobs")], request))
        }
        let id = try await request.begin(.jobs(wish.act, wish.selection), total: count)
        return .seeOther("/runs/\(id)")
    }

    private static func wish(
        act: String?, ids: [String], isAll: Bool, until: Timestamp, _ request: PageRequest
    ) throws -> Wish {
        guard let act = act.flatMap(BulkWork.JobAct.init(rawValue:)) else { throw PageProblem.notFound }
        var filter = FilterText(request, names: ["state", "kind", "subject", "lane"], bare: "kind")
        if let text = request.form["q"] {
            filter = FilterText(
                request.asking("/jobs" + BrowserText.query([("q", text)]), parameters: [:]),
                names: ["state", "kind", "subject", "lane"], bare: "kind")
        }
        guard isAll else {
            let chosen = ids.compactMap { ID<JobKind>($0) }
            guard !chosen.isEmpty else { throw Problem(.invalidRequest, request.words("jobs.plan.none")) }
            return Wish(act: act, selection: JobSelection(ids: chosen), filter: filter.text)
        }
        // Everything of one state, never everything.
        guard let state = filter["state"], JobSelection.states(for: act).contains(state) else {
            throw Problem(
                .invalidRequest,
                request.words("jobs.plan.state", ["states": JobSelection.states(for: act).joined(separator: ", ")]))
        }
        return Wish(
            act: act, selection: JobSelection(filter: JobsPage.jobFilter(filter), until: until), filter: filter.text)
    }

    private static func plan(_ wish: Wish, isAnew: Bool, _ request: PageRequest) async throws -> PlanModel {
        let (words, now, selection) = (request.words, request.now, wish.selection)
        let kinds = try await request.app.database.read("jobs_plan") { try selection.counts(at: now, in: $0) }
        let count = kinds.reduce(0) { $0 + $1.count }
        let number = words.number(min(count, BulkWork.countMax)) + (count > BulkWork.countMax ? "+" : "")
        let values = ["n": number]
        let isRetry = wish.act == .retry
        return PlanModel(
            title: words("jobs.plan.\(wish.act.rawValue)", values),
            lines: outcomes(kinds, count, isRetry: isRetry, request)
                + kinds.prefix(10).map { kind in
                    PlanModel.Line(
                        lamp: Lamp(.todo), count: words.number(kind.count),
                        text: words("jobs.plan.kind", ["kind": kind.kind]))
                },
            small: words(isRetry ? "jobs.plan.retry_small" : "jobs.plan.cancel_small"), action: "/jobs/plan",
            fields: [
                HeadAction.HiddenField(name: "act", value: wish.act.rawValue),
                HeadAction.HiddenField(name: "ids", value: selection.ids.map(\.text).joined(separator: ",")),
                HeadAction.HiddenField(name: "all", value: selection.ids.isEmpty ? "1" : "0"),
                HeadAction.HiddenField(name: "q", value: wish.filter),
            ] + PlanModel.fields(count: count, until: selection.ids.isEmpty ? selection.until : now),
            button: count == 0 ? nil : words("jobs.plan.\(wish.act.rawValue)_button", values), isDanger: !isRetry,
            back: wish.back, isAnew: isAnew)
    }

    private static func outcomes(
        _ kinds: [JobsOfKind], _ count: Int, isRetry: Bool, _ request: PageRequest
    ) -> [PlanModel.Line] {
        let (words, gated) = (request.words, kinds.reduce(0) { $0 + $1.gated })
        guard count > 0 else {
            return [PlanModel.Line(lamp: Lamp(.paused), count: "0", text: words("jobs.plan.empty"))]
        }
        guard isRetry else {
            return [PlanModel.Line(lamp: Lamp(.paused), count: words.number(count), text: words("jobs.plan.will_end"))]
        }
        var lines: [PlanModel.Line] = []
        if count > gated {
            lines.append(
                PlanModel.Line(lamp: Lamp(.ok), count: words.number(count - gated), text: words("jobs.plan.at_once")))
        }
        if gated > 0 {
            let until = kinds.compactMap(\.gatedUntil).max().map { request.times.moment($0).text } ?? "?"
            lines.append(
                PlanModel.Line(
                    lamp: Lamp(.waiting), count: words.number(gated), text: words("jobs.plan.gated", ["time": until])))
        }
        return lines
    }
}

extension JobsPlanPage.Wish {
    fileprivate func renewed(at now: Timestamp) -> Self {
        var selection = selection
        if selection.ids.isEmpty { selection.until = now }
        return Self(act: act, selection: selection, filter: filter)
    }
}

extension PageRequest {
    /// Begins a run in the operator's name, once for each form.
    func begin(_ work: BulkWork, total: Int) async throws -> ID<BulkRunKind> {
        let action = Action("beginRun", "Begin a run", .needs(.write, "jobs"), isIdempotent: true, answers: []) { api in
            let id = try await api.begin(work, total: total)
            return .json(202) { $0.value(["id": JSON(id)]) }
        }
        let answer = try await perform(action)
        guard let id = (try? JSON.parse(answer.body))?["id"]?.text.flatMap({ ID<BulkRunKind>($0) }) else {
            throw StoreError.damaged("a run that was begun has no id")
        }
        return id
    }
}
