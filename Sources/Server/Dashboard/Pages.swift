/// Every page and form for operators. A page has a file in `Pages/`, a template, words, and a line here.
enum Pages {
    static let all: [Page] =
        [
            NowPage.page,
            EventsPage.page,
            EventPage.page,
            ReplayPage.page,
            ReplayPlanPage.page,
            DeliveryPage.page,
            AccountPage.page,
            QuotasPage.page,
        ] + work + LaterPage.all

    static let forms: [PageForm] =
        [
            Preferences.form
        ] + AccountPage.forms + ReplayPage.forms + workForms

    private static let work: [Page] =
        [
            JobsPage.page, JobsPlanPage.page, JobPage.page, RunPage.page, ReviewPage.queue, ReviewPlanPage.page,
            ReviewPage.page, EndpointsPage.page, EndpointForms.newPage, EndpointPage.page, EndpointForms.editPage,
            EndpointReplayPage.page, AttemptPage.page, SearchPage.page, TracePage.page,
            UsersPage.page, UserPage.page, UserForms.erasePage, UserForms.erasure, HealthPage.page, AlertsPage.page,
            NodesPage.page, KeysPage.page, KeysPage.revokePage, AppsPage.page, AppsPage.deletePage, AppPage.page,
            AppPage.removePage, OperatorsPage.page, AuditPage.page, StoragePage.page, SettingsPage.page,
            ConnectionsPage.page, ConnectionForms.newPage, ConnectionPage.page, ConnectionForms.disconnectPage,
            SyncPage.page, StreamPage.page, RecordPage.page, ReconciliationPage.page, PublishPage.page,
            ComposePage.page, PublicationPage.page, RadarPage.page,
        ] + EndpointForms.confirmations

    private static let workForms: [PageForm] =
        [
            JobsPlanPage.form, RunPage.form, ReviewPlanPage.form, EndpointReplayPage.form, AttemptPage.form,
            HealthPage.form, HealthPage.ask, AlertsPage.form,
        ] + JobPage.forms + ReviewPage.forms + EndpointForms.forms + UserForms.forms + KeysPage.forms
        + AppsPage.forms + AppPage.forms + OperatorsPage.forms + ConnectionForms.forms + SyncForms.forms
        + StreamForms.forms + PublicationForms.forms + ComposePage.forms + [ReconciliationPage.form]
}
