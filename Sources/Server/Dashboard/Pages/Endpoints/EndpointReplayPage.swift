import Engine
import Kit
import Store

/// Sending an endpoint again what failed, or what it never got: first the plan, then a run that does it.
enum EndpointReplayPage {
    static let page = Page(path: "/endpoints/{id}/replay", entry: .endpoints, template: "plan", needs: .admin) {
        request in
        let hours = min(max(request.query["hours"].flatMap { Int64($0) } ?? 24, 1), 24 * 400)
        return try await content(request.query["what"], since: request.now - .hours(hours), isAnew: false, request)
    }

    static let form = PageForm(path: "/endpoints/{id}/replay") { request in
        guard let since = request.form["since"].flatMap(Timestamp.init(rfc3339:)) else { throw PageProblem.notFound }
        let endpoint = try await EndpointForms.endpoint(request)
        let recovery = try recovery(request.form["what"], since)
        let (count, isMore) = try await count(recovery, endpoint, request)
        guard count > 0, PlanModel.stands(request, count: count) else {
            return .again(page, try await content(request.form["what"], since: since, isAnew: true, request))
        }
        let id = try await request.begin(.endpoint(endpoint.id, recovery), total: BulkWork.total(count, isOpen: isMore))
        return .seeOther("/runs/\(id)")
    }

    private static func recovery(_ what: String?, _ since: Timestamp) throws -> Endpoints.Recovery {
        guard let what = what.flatMap(Endpoints.Recovery.What.init(rawValue:)) else { throw PageProblem.notFound }
        return Endpoints.Recovery(what, since: since)
    }

    private static func count(
        _ recovery: Endpoints.Recovery, _ endpoint: Endpoint, _ request: PageRequest
    ) async throws -> (count: Int, isMore: Bool) {
        try await request.app.database.read("endpoint_plan") { session in
            try Endpoints.count(recovery, at: endpoint, atMost: BulkWork.countMax, in: session)
        }
    }

    private static func content(
        _ what: String?, since: Timestamp, isAnew: Bool, _ request: PageRequest
    ) async throws -> PageContent {
        let (words, endpoint) = (request.words, try await EndpointForms.endpoint(request))
        let recovery = try recovery(what, since)
        let found = try await count(recovery, endpoint, request)
        let number = words.number(found.count) + (found.isMore ? "+" : "")
        let key = recovery.what.rawValue
        var lines = [
            PlanModel.Line(
                lamp: Lamp(found.count == 0 ? .paused : .ok), count: number,
                text: words(
                    "endpoint.plan.\(key)", ["time": request.times.moment(since).text]))
        ]
        if found.isMore {
            lines.append(
                PlanModel.Line(
                    lamp: Lamp(.todo), count: "",
                    text: words("endpoint.plan.more", ["n": words.number(BulkWork.countMax)])))
        }
        if endpoint.state == .disabled {
            lines.append(PlanModel.Line(lamp: Lamp(.paused), count: "", text: words("endpoint.plan.disabled")))
        } else if endpoint.state == .failing {
            lines.append(PlanModel.Line(lamp: Lamp(.failed), count: "", text: words("endpoint.plan.failing")))
        }
        let path = "/endpoints/\(endpoint.id)"
        let plan = PlanModel(
            title: words("endpoint.plan.title", ["n": number]), lines: lines, small: words("endpoint.plan.small"),
            action: "\(path)/replay",
            fields: [
                HeadAction.HiddenField(name: "what", value: key),
                HeadAction.HiddenField(name: "since", value: since.rfc3339),
            ] + PlanModel.fields(count: found.count, until: request.now),
            button: found.count == 0 ? nil : words("endpoint.plan.button", ["n": number]), isDanger: false, back: path,
            isAnew: isAnew)
        return PlanPage.content(
            plan, crumbs: EndpointPage.crumbs(words) + [Link(Hosts.of(endpoint.url), path)], request)
    }
}
