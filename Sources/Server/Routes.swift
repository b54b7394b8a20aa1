public import Hummingbird
import Kit

/// Every URL of the API and its pages. The ways in (webhooks, callbacks) and /metrics are added by `serve`.
enum Routes {
    static let all: [Route] = [
        .get("/v1/apps", AppsAPI.list),
        .post("/v1/apps", AppsAPI.create),
        .get("/v1/apps/{id}", AppsAPI.get),
        .patch("/v1/apps/{id}", AppsAPI.update),
        .delete("/v1/apps/{id}", AppsAPI.delete),
        .delete("/v1/apps/{id}/secrets/{secret_id}", AppsAPI.removeSecret),
        .get("/v1/apps/{id}/subscription", SubscriptionAPI.get),
        .post("/v1/apps/{id}/subscription", SubscriptionAPI.create),
        .delete("/v1/apps/{id}/subscription", SubscriptionAPI.delete),
        .post("/v1/apps/{id}/subscription/check", SubscriptionAPI.check),
        .get("/v1/calls", CallsAPI.list),
        .get("/v1/calls/{id}", CallsAPI.get),
        .get("/v1/captures", CapturesAPI.list),
        .post("/v1/captures", CapturesAPI.create),
        .get("/v1/captures/{id}", CapturesAPI.get),
        .post("/v1/captures/{id}/end", CapturesAPI.end),
        .get("/v1/circuits", QuotasAPI.circuits),
        .get("/v1/connections", ConnectionsAPI.list),
        .post("/v1/connections/import", ConnectionImportAPI.action),
        .get("/v1/connections/{id}", ConnectionsAPI.get),
        .patch("/v1/connections/{id}", ConnectionsAPI.update),
        .delete("/v1/connections/{id}", ConnectionsAPI.delete),
        .post("/v1/connections/{id}/refresh", ConnectionsAPI.refresh),
        .post("/v1/connections/{id}/syncs", SyncsAPI.ofConnection),
        .post("/v1/connect-sessions", ConnectSessionsAPI.create),
        .get("/v1/connect-sessions/{id}", ConnectSessionsAPI.get),
        .post("/v1/connect-sessions/{id}/confirm", ConnectSessionsAPI.confirm),
        .get("/v1/deliveries", DeliveriesAPI.list),
        .get("/v1/deliveries/{id}", DeliveriesAPI.get),
        .get("/v1/events", EventsAPI.list),
        .post("/v1/events/replay", ReplayAPI.many),
        .get("/v1/events/search", EventSearchAPI.search),
        .get("/v1/events/{id}", EventsAPI.get),
        .post("/v1/events/{id}/replay", ReplayAPI.one),
        .get("/v1/jobs", JobsAPI.list),
        .get("/v1/jobs/{id}", JobsAPI.get),
        .post("/v1/jobs/{id}/retry", JobsAPI.retry),
        .post("/v1/jobs/{id}/cancel", JobsAPI.cancel),
        .get("/v1/jobs/{id}/why", JobsAPI.why),
        .get("/v1/changes", ChangesAPI.list),
        .get("/v1/changes/stream", ChangesAPI.stream),
        .get("/v1/endpoints", EndpointsAPI.list),
        .post("/v1/endpoints", EndpointsAPI.create),
        .get("/v1/endpoints/{id}", EndpointsAPI.get),
        .patch("/v1/endpoints/{id}", EndpointsAPI.update),
        .delete("/v1/endpoints/{id}", EndpointsAPI.delete),
        .post("/v1/endpoints/{id}/rotate-secret", EndpointsAPI.rotate),
        .post("/v1/endpoints/{id}/recover", AttemptsAPI.recover),
        .post("/v1/endpoints/{id}/test", AttemptsAPI.test),
        .get("/v1/endpoints/{id}/attempts", AttemptsAPI.list),
        .get("/v1/users", UsersAPI.list),
        .get("/v1/users/{id}", UsersAPI.get),
        .put("/v1/users/{id}", UsersAPI.put),
        .delete("/v1/users/{id}", ErasuresAPI.erase),
        .get("/v1/users/{id}/export", UserExport.action),
        .post("/v1/users/{id}/syncs", SyncsAPI.ofUser),
        .get("/v1/erasures", ErasuresAPI.list),
        .get("/v1/erasures/{id}", ErasuresAPI.get),
        .get("/v1/reconciliations", ReconciliationsAPI.list),
        .post("/v1/reconciliations", ReconciliationsAPI.create),
        .get("/v1/reconciliations/{id}", ReconciliationsAPI.get),
        .get("/v1/reconciliations/{id}/differences", RecordReconciliations.differences),
        .get("/v1/records/{stream}", RecordsAPI.list),
        .get("/v1/records/{stream}/{key}/history", RecordsAPI.history),
        .get("/v1/reviews", ReviewsAPI.list),
        .get("/v1/reviews/{id}", ReviewsAPI.get),
        .post("/v1/reviews/{id}/claim", ReviewsAPI.claim),
        .post("/v1/reviews/{id}/decision", ReviewsAPI.decide),
        .get("/v1/alerts", AlertsAPI.list),
        .post("/v1/alerts/{id}/silence", AlertsAPI.silence),
        .get("/v1/audit", AuditAPI.list),
        .get("/v1/trace/{id}", TraceAPI.get),
        .get("/v1/nodes", NodesAPI.list),
        .get("/v1/objects", ObjectsAPI.list),
        .post("/v1/objects", ObjectsAPI.create),
        .post("/v1/objects/presign", PresignAPI.presign),
        .get("/v1/objects/{key}", ObjectsAPI.get),
        .put("/v1/objects/{key}", ObjectsAPI.put),
        .delete("/v1/objects/{key}", ObjectsAPI.delete),
        .get("/v1/objects/{key}/content", ObjectsAPI.content),
        .get("/v1/publications", PublicationsAPI.list),
        .post("/v1/publications", PublicationsAPI.create),
        .get("/v1/publications/{id}", PublicationsAPI.get),
        .patch("/v1/publications/{id}", PublicationsAPI.update),
        .post("/v1/publications/{id}/cancel", PublicationsAPI.cancel),
        .post("/v1/publications/{id}/decide", PublicationsAPI.decide),
        .get("/v1/connections/{id}/posting", PublicationsAPI.posting),
        .get("/v1/quotas", QuotasAPI.list),
        .get("/v1/radar", RadarAPI.list),
        .get("/v1/syncs", SyncsAPI.list),
        .get("/v1/syncs/{id}", SyncsAPI.get),
        .post("/v1/uploads", UploadsAPI.create),
        .get("/v1/uploads/{id}", UploadsAPI.get),
        .patch("/v1/uploads/{id}", UploadsAPI.append),
        .delete("/v1/uploads/{id}", UploadsAPI.delete),
        .get("/v1/keys", KeysAPI.list),
        .post("/v1/keys", KeysAPI.create),
        .get("/v1/keys/{id}", KeysAPI.get),
        .delete("/v1/keys/{id}", KeysAPI.revoke),
        .post("/v1/keys/{id}/rotate", KeysAPI.rotate),

        .get("/livez", HealthPages.live),
        .get("/readyz", HealthPages.ready),
        .get("/openapi.json", DocumentPages.openAPI),
        .get("/docs", DocsPages.start),
        .get("/docs/errors", DocsPages.errors),
        .get("/docs/errors/{code}", DocsPages.error),
        .get("/docs/providers/{provider}", DocsPages.provider),
        .get("/docs/sent", DocsPages.sent),
        .get("/docs/{noun}", DocsPages.noun),
        .get("/events/{type}.schema.json", DocumentPages.eventSchema),
    ]
}

/// A route whose requests are not the API's: webhooks, callbacks, /metrics.
public struct OtherRoute: Sendable {
    public let method: String
    /// `/webhooks/{provider}`; `**` at the end for any rest.
    public let template: String
    let respond: @Sendable (Request, Context) async throws -> Response

    public init(
        _ method: String, _ template: String, respond: @escaping @Sendable (Request, Context) async throws -> Response
    ) {
        self.method = method
        self.template = template
        self.respond = respond
    }
}

/// The router of a server: what every request passes, then the routes.
public func makeRouter(_ app: App, adding others: [OtherRoute] = []) -> Router<Context> {
    let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
    let dashboard = Dashboard(app)
    let others = others + dashboard.routes + SignedRequest.preflights
    let table = RouteTable(
        Routes.all.flatMap { route in route.templates.map { (route.method, $0) } }
            + others.map { ($0.method, $0.template) })
    router.add(middleware: Correlate(ids: app.ids))
    router.add(middleware: AccessLog(now: app.now, logger: app.logger))
    router.add(middleware: Problems(now: app.now, base: app.settings.publicURL ?? "", routes: table))
    router.add(middleware: SecureTransport(settings: app.settings))
    router.add(middleware: LostPages(dashboard: dashboard))
    for route in Routes.all {
        for template in route.templates {
            on(route.method, template, of: router) { try await route.action.respond(to: $0, $1, in: app) }
        }
    }
    for route in others { on(route.method, route.template, of: router, route.respond) }
    return router
}

private func on(
    _ method: String, _ template: String, of router: Router<Context>,
    _ respond: @escaping @Sendable (Request, Context) async throws -> Response
) {
    guard let method = HTTPRequest.Method(rawValue: method) else { preconditionFailure("\(method) is no method") }
    router.on(RouterPath(template), method: method) { request, context in try await respond(request, context) }
}
