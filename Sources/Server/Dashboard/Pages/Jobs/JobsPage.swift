import Kit
import Store

/// The list of jobs: what each waits for, and many of them at once by a plan.
enum JobsPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let id: String
            let kind: String
            let subject: String
            let pill: Pill
            let why: String
            let attempts: String
            let made: TimeModel
        }
        let filter: FilterModel
        let rows: [Row]
        let ends: Ends
        let empty: Empty?
        /// Set for those who may act.
        let bulk: Bulk?
        let stopped: String?
    }
    struct Bulk: Sendable {
        /// The list's filter, for the plan to find its way back.
        let query: String
        let all: [Link]
    }

    static let states = JobView.states

    static let page = Page(
        path: "/jobs", entry: .jobs, template: "jobs", fragments: ["jobs-chips"], every: .seconds(5)
    ) { request in
        let words = request.words
        var filter = FilterText(request, names: ["state", "kind", "subject", "lane"], bare: "kind")
        filter.hold("state", to: states, words)
        let (place, wanted, now) = (ListPlace(request), jobFilter(filter), request.now)
        let (found, gauges, gates) = try await request.app.database.read("jobs_page") { session in
            let found = try session.searchJobs(wanted, place.page, at: now)
            let gates = try session.gates(of: Array(Set(found.rows.map(\.lane))), at: now)
            return (found, try session.gauges(at: now), gates)
        }
        var head = Head(words("jobs.title"))
        head.lede = lede(gauges, request)
        let rows = place.shown(found.rows).map { row($0, gates[$0.lane], request) }
        let model = Model(
            filter: filter.model(words("jobs.example"), chips(filter, gauges, words)), rows: rows,
            ends: place.ends(found.rows, stoppedAt: found.stoppedAt, filter: filter.query, request, id: \.id.text),
            empty: rows.isEmpty ? empty(filter, words) : nil,
            bulk: request.mayAct && !rows.isEmpty ? bulk(filter, words) : nil,
            stopped: found.stoppedAt == nil
                ? nil : words("jobs.stopped", ["n": words.number(Session.jobsScanned)]))
        let query = BrowserText.query(["state", "kind", "subject", "lane"].map { ($0, filter[$0]) })
        let options = ["state", "kind"].compactMap { name in filter[name].map { " --\(name) \(ShellText.quoted($0))" } }
        return PageContent(
            head, model,
            commands: [
                request.curl("/v1/jobs\(query)"), Command("CLI", "patchbay jobs list\(options.joined())"),
            ])
    }

    static func jobFilter(_ filter: FilterText) -> JobFilter {
        var wanted = JobFilter()
        (wanted.state, wanted.kind) = (filter["state"], filter["kind"])
        (wanted.subject, wanted.lane) = (filter["subject"], filter["lane"])
        return wanted
    }

    // MARK: Parts

    private static func lede(_ gauges: StoreGauges, _ request: PageRequest) -> String {
        let words = request.words
        func number(_ states: String...) -> String {
            let count = states.reduce(0) { $0 + (gauges.jobs[$1] ?? 0) }
            return words.number(count) + (count >= StoreGauges.countMax ? "+" : "")
        }
        let counts = words(
            "jobs.lede",
            [
                "waiting": number("available", "waiting", "scheduled"), "running": number("running"),
                "dead": number("dead"),
            ])
        guard let oldest = gauges.oldestDueAt, request.now > oldest else { return counts }
        return counts + " " + words("jobs.oldest", ["age": request.times.age(oldest)])
    }

    private static func chips(_ filter: FilterText, _ gauges: StoreGauges, _ words: Words) -> [Chip] {
        let all = Chip(
            label: words("jobs.all"), href: filter.address("state", nil), isChosen: filter["state"] == nil)
        return [all]
            + states.map { state in
                let count = gauges.jobs[state].map {
                    words.number($0) + ($0 >= StoreGauges.countMax ? "+" : "")
                }
                return Chip(
                    label: words("jobs.state.\(state)"), href: filter.address("state", state),
                    isChosen: filter["state"] == state, lamp: Lamp(JobWords.state(state)), count: count)
            }
    }

    private static func row(_ row: JobRow, _ gate: LaneGate?, _ request: PageRequest) -> Model.Row {
        Model.Row(
            id: row.id.text, kind: row.kind, subject: row.subject.map { ShortID($0).short } ?? row.lane,
            pill: JobWords.pill(row, gate, request), why: OutsideText.bounded(JobWords.why(row, gate, request), 160),
            attempts: JobWords.attempts(row, request.words), made: request.times.moment(row.createdAt))
    }

    private static func empty(_ filter: FilterText, _ words: Words) -> Empty {
        guard filter.isEmpty else {
            return Empty(words("lists.none_match"), link: Link(words("lists.drop_filter"), "/jobs"))
        }
        return Empty(
            words("jobs.empty"), commands: [Command(nil, "patchbay trigger stripe invoice.paid")])
    }

    private static func bulk(_ filter: FilterText, _ words: Words) -> Bulk {
        let all = BulkWork.JobAct.allCases.filter { act in
            filter["state"].map(JobSelection.states(for: act).contains) ?? false
        }
        let links = all.map { act in
            Link(
                words("jobs.\(act.rawValue)_all"),
                "/jobs/plan"
                    + BrowserText.query([("act", act.rawValue), ("all", "1"), ("q", filter.text)]))
        }
        return Bulk(query: filter.text, all: links)
    }
}
