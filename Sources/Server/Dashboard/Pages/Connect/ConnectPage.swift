import Engine
import Kit
import Store

/// The pages that the application's users see: before the platform's page, and after it.
enum ConnectPage {
    struct Model: Sendable {
        let here: Jack
        let there: Jack
        let isPlugged: Bool
        let pill: Pill?
        let title: String
        let sentence: String
        let steps: [String]?
        var consent: Consent?
        let first: Link?
        let second: Link?
        let reference: String?
        let back: Link?
    }

    /// The way to the platform, for the browser that was shown who asks: a form, which no link from elsewhere sends.
    struct Consent: Sendable {
        let label: String
        let action: String
        let token: String
    }

    /// Who meets whom, in the reader's words.
    struct Meeting: Sendable {
        let words: Words
        let app: String
        /// The same at the beginning of a sentence.
        let appFirst: String
        let platform: String

        init(_ request: PageRequest, provider: String?) {
            words = request.words
            let name = request.app.settings.applicationName
            app = name ?? words("connect.application")
            appFirst = name ?? words("connect.application_first")
            let known = provider.flatMap { request.app.hooks.connecting?.platform($0)?.about.name }
            platform = known ?? provider.map { OutsideText.bounded($0, 32) } ?? "?"
        }

        func text(_ key: String, _ more: [String: String] = [:]) -> String {
            words(key, ["app": app, "App": appFirst, "platform": platform].merging(more) { $1 })
        }

        /// Back to the application, where it said whereto.
        func back(_ session: ConnectSessionRow?, _ fields: [(name: String, value: String?)]) -> Link? {
            guard let session, let url = ReturnAddress.url(session, fields) else { return nil }
            return Link(text("connect.back"), url)
        }
    }

    /// - Parameter browser: whose page it is; its form is good for nobody else.
    static func begin(
        _ session: ConnectSessionRow, link: String, browser: Secret, _ request: PageRequest
    ) -> Model {
        let meeting = Meeting(request, provider: session.provider)
        let values = ["user": OutsideText.bounded(session.userID, 64)]
        return Model(
            here: Jack(meeting.app, size: "l"), there: Jack(meeting.platform, size: "l"), isPlugged: false, pill: nil,
            title: meeting.text("connect.begin.title"), sentence: meeting.text("connect.begin.sentence", values),
            steps: nil,
            consent: Consent(
                label: meeting.text("connect.go"), action: "/connect/\(link)/go",
                token: ConnectCookie.formToken(of: browser, for: link)), first: nil, second: nil, reference: nil,
            back: nil)
    }

    static func done(_ session: ConnectSessionRow, _ row: ConnectionRow, _ request: PageRequest) -> Model {
        let meeting = Meeting(request, provider: session.provider)
        let account = row.name?.reveal { $0 } ?? meeting.text("connect.done.account")
        let missing = row.missing
        let isWhole = missing.isEmpty
        let counts = ["given": meeting.words.number(row.wanted.count - missing.count), "all": "\(row.wanted.count)"]
        let title =
            isWhole
            ? meeting.text("connect.done.title", ["account": account])
            : meeting.words.count(
                "connect.missing.title", row.wanted.count,
                ["platform": meeting.platform].merging(counts) { $1 })
        let sentence =
            isWhole
            ? meeting.text(row.health == .pending ? "connect.pending.sentence" : "connect.done.sentence")
            : meeting.text("connect.missing.sentence", ["missing": missing.joined(separator: ", ")])
        return Model(
            here: Jack(meeting.app, size: "l"),
            there: Jack(meeting.platform, size: "l", state: isWhole ? .ok : .needs), isPlugged: true,
            pill: isWhole
                ? Pill(.ok, meeting.words("connect.done.pill")) : Pill(.needs, meeting.words("connect.missing.pill")),
            title: title, sentence: sentence, steps: nil,
            first: isWhole ? nil : Link(meeting.text("connect.missing.ask"), "/connect/again/\(session.id)"),
            second: isWhole
                ? nil
                : ReturnAddress.url(session, []).map { Link(meeting.words("connect.missing.go_on"), $0) },
            reference: nil, back: isWhole ? meeting.back(session, []) : nil)
    }

    static func problem(
        _ problem: ConnectProblem, _ session: ConnectSessionRow?, provider: String?, _ request: PageRequest
    ) -> Model {
        let meeting = Meeting(request, provider: session?.provider ?? provider)
        let key = "connect.\(problem.code)"
        let again =
            problem.mayRetry ? session.map { Link(meeting.words("connect.again"), "/connect/again/\($0.id)") } : nil
        return Model(
            here: Jack(meeting.app, size: "l"), there: Jack(meeting.platform, size: "l", state: .needs),
            isPlugged: false, pill: Pill(.needs, meeting.words("connect.pill.no")),
            title: meeting.text(key + ".title"), sentence: meeting.text(key + ".sentence"),
            steps: [meeting.text(key + ".do")], first: again, second: nil,
            reference: request.correlation.requestID, back: meeting.back(session, [("error", problem.code)]))
    }

    static func status(_ problem: ConnectProblem) -> Int {
        switch problem {
        case .unknownLink: 404
        case .expired, .used, .linkUsed: 410
        case .tooMany: 429
        case .platform, .unreachable, .noAccount, .codeRefused, .noCode: 502
        case .denied, .unknownState, .otherBrowser, .mixedUp, .scope, .wrongAccount, .wrongUser: 400
        case .notConfigured, .erasing: 503
        }
    }
}

/// Where a browser goes when all is said: the application's own address, with how it went.
enum ReturnAddress {
    static func url(_ session: ConnectSessionRow, _ fields: [(name: String, value: String?)]) -> String? {
        guard let url = session.returnURL else { return nil }
        let query = BrowserText.query([("connect_session", session.id.text)] + fields)
        return url.contains("?") ? url + "&" + query.dropFirst() : url + query
    }
}
