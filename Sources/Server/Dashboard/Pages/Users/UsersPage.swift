import Kit
import Store

/// The application's users: found by id, customer, status.
enum UsersPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let href: String
            let id: String
            let more: String
            let pill: Pill
            let plan: String
            let end: TimeModel?
            let updated: TimeModel
        }
        let filter: FilterModel
        let rows: [Row]
        let ends: Ends
        let empty: Empty?
        let stopped: String?
    }

    static let statuses = ["active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled"]

    static let page = Page(path: "/users", entry: .users, template: "users") { request in
        let words = request.words
        let filter = FilterText(request, names: ["id", "status", "email", "customer"], bare: "id")
        if let customer = filter["customer"], let user = try await owner(of: customer, request) {
            throw PageProblem.elsewhere(Places.user(user))
        }
        let (place, id, status, email) = (ListPlace(request), filter["id"], filter["status"], filter["email"])
        let found = try await request.app.database.read("users_page") {
            try $0.searchUsers(beginning: id, status: status, email: email, place.page)
        }
        var head = Head(words("users.title"))
        head.lede = words("users.lede")
        let rows = filter["customer"] == nil ? place.shown(found.rows).map { row($0, request) } : []
        let all = Chip(label: words("users.all"), href: filter.address("status", nil), isChosen: status == nil)
        let chips =
            [all]
            + statuses.map {
                Chip(
                    label: $0, href: filter.address("status", $0), isChosen: status == $0,
                    lamp: Lamp(UserWords.lamp($0)))
            }
        return PageContent(
            head,
            Model(
                filter: filter.model("id status:past_due email:… customer:cus_…", chips), rows: rows,
                ends: place.ends(found.rows, stoppedAt: found.stoppedAt, filter: filter.query, request, id: \.id),
                empty: rows.isEmpty ? empty(filter, words) : nil,
                stopped: found.stoppedAt == nil ? nil : words("jobs.stopped", ["n": words.number(Session.usersScanned)])
            ),
            commands: [
                request.curl("/v1/users" + BrowserText.query([("subscription_status", status), ("email", email)])),
                Command("CLI", "patchbay users list" + (status.map { " --status \(ShellText.quoted($0))" } ?? "")),
            ])
    }

    private static func owner(of customer: String, _ request: PageRequest) async throws -> String? {
        let providers = Providers.billingSources.map(\.about.id)
        return try await request.app.database.read("customer_owner") { session in
            for provider in providers {
                if let user = try session.userID(of: CustomerName(provider: provider, customer: customer)) {
                    return user
                }
            }
            return nil
        }
    }

    private static func row(_ user: UserRow, _ request: PageRequest) -> Model.Row {
        Model.Row(
            href: Places.user(user.id), id: user.id,
            more: user.displayName?.reveal { $0 } ?? user.email?.reveal { $0 } ?? "",
            pill: UserWords.pill(user.summary.status, request.words), plan: user.summary.plan ?? "",
            end: user.summary.currentPeriodEnd.map(request.times.moment), updated: request.times.moment(user.updatedAt))
    }

    private static func empty(_ filter: FilterText, _ words: Words) -> Empty {
        guard filter.isEmpty else {
            return Empty(words("lists.none_match"), link: Link(words("lists.drop_filter"), "/users"))
        }
        return Empty(
            words("users.empty"),
            commands: [
                Command(
                    nil,
                    #"curl -X PUT -H "Authorization: Bearer $PATCHBAY_API_KEY" -H "Content-Type: application/json" "#
                        + #"-d '{"stripe_customer_id":"cus_…"}' …/v1/users/rye"#),
                Command(nil, "patchbay trigger stripe customer.subscription.created"),
            ])
    }
}

/// How users' subscriptions are spoken of: in the platform's own words, with our lamps.
enum UserWords {
    static func lamp(_ status: String?) -> LampState {
        switch status {
        case "active", "trialing": .ok
        case "past_due", "unpaid", "incomplete": .needs
        case "canceled", "paused", "incomplete_expired": .paused
        case nil: .todo
        default: .unknown
        }
    }
    static func pill(_ status: String?, _ words: Words) -> Pill {
        Pill(lamp(status), status ?? words("users.no_subscription"))
    }
}
