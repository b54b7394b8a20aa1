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
        ] + LaterPage.all

    static let forms: [PageForm] =
        [
            Preferences.form
        ] + AccountPage.forms + ReplayPage.forms
}
