import Engine
import Kit
import Store

/// One publication: how far it is at each account, why, what comes next, and what a person may do.
enum PublicationPage {
    struct Model: Sendable {
        struct Target: Sendable {
            let jack: Jack
            let account: String
            let href: String
            let pill: Pill
            let reason: String?
            let who: String?
            let next: String?
            let nextAt: TimeModel?
            let progress: ProgressModel?
            let facts: [Fact]
            /// The review that asks what nobody knows.
            let review: String?
        }
        let text: String
        let targets: [Target]
        let facts: [Fact]
        /// While it is planned.
        let move: PublicationMove.Form?
    }

    static let page = Page(
        path: "/publish/{id}", entry: .publish, template: "publication", fragments: ["publication-targets"],
        follows: ["publication.*"], every: .seconds(5)
    ) { request in
        try await content(request)
    }

    /// - Parameter refused: a time that it was to be moved to, and why that cannot be.
    static func content(_ request: PageRequest, refused: PublicationMove.Refused? = nil) async throws -> PageContent {
        let (id, words) = (try request.id(PublicationKind.self), request.words)
        let found = try await request.app.database.read("publication_page") { session in
            try session.publication(id).flatMap { try session.views(of: [$0]).first }.map { view in
                (
                    view: view,
                    targets: try view.targets.map { target in
                        (
                            target, try session.connection(target.row.connection),
                            try session.openReview(kind: PublicationWorker.review, subject: target.row.id.text)
                        )
                    }
                )
            }
        }
        guard let found else { throw PageProblem.notFound }
        var head = Head(PublicationWords.text(found.view.row, words))
        (head.id, head.crumbs) = (ShortID(id.text), [Link(words("nav.publish"), "/publish")])
        head.pill = PublicationWords.pill(found.view.state, words)
        if request.mayAct, found.view.targets.contains(where: \.canCancel) {
            var cancel = HeadAction(words("publish.cancel"), "/publish/\(id)/cancel")
            (cancel.isForm, cancel.isDanger) = (true, true)
            head.actions = [cancel]
        }
        var content = PageContent(
            head,
            Model(
                text: found.view.row.content["text"]?.text ?? "",
                targets: found.targets.map { target($0.0, $0.1, $0.2, request) },
                facts: facts(found.view.row, request),
                move: PublicationMove.Form(found.view, refused, request)),
            commands: [
                request.curl("/v1/publications/\(id)"), Command("CLI", "patchbay publications show \(id)"),
            ])
        if refused != nil {
            // Drawn for a form, it lives on at its own address.
            (content.status, content.liveTarget) = (422, "/publish/\(id)")
        }
        return content
    }

    private static func target(
        _ view: TargetView, _ connection: ConnectionRow?, _ review: Review?, _ request: PageRequest
    ) -> Model.Target {
        let (row, words, times) = (view.row, request.words, request.times)
        let platform = ProviderNames.of(row.provider)
        return Model.Target(
            jack: Jack(platform, size: "m"),
            account: connection.map { ConnectionWords.name($0, words) } ?? words("connections.gone"),
            href: "/connections/\(row.connection)", pill: PublicationWords.pill(row.state, words), reason: row.reason,
            who: row.who.flatMap { words.text("publish.who.\($0)") }, next: row.nextAction,
            nextAt: row.state.isLive ? (view.due ?? row.nextAt).map(times.moment) : nil,
            progress: progress(row, words),
            facts: facts(row, words, times),
            review: review.map { "/review/\($0.id)" })
    }

    /// While bytes go out.
    private static func progress(_ row: TargetRow, _ words: Words) -> ProgressModel? {
        guard row.state == .uploading, row.size > 0 else { return nil }
        let share = Int(min(100, max(0, row.sent) / max(1, row.size / 100)))
        return ProgressModel(
            state: "running", share: share,
            sentence: words("publish.sent", ["n": words.number(row.sent), "all": words.number(row.size)]))
    }

    private static func facts(_ row: TargetRow, _ words: Words, _ times: Times) -> [Fact] {
        var facts: [Fact] = []
        let texts: [(String, String?)] = [
            ("publish.fact.upload", row.remoteID), ("publish.fact.status", row.remoteStatus),
            ("publish.fact.post", row.postID), ("publish.fact.code", row.code),
        ]
        for (name, text) in texts {
            if let text { facts.append(Fact(words(name), text, isCode: true)) }
        }
        for (name, time) in [("publish.fact.started", row.startedAt), ("publish.fact.finished", row.finishedAt)] {
            if let time { facts.append(Fact(words(name), times.moment(time))) }
        }
        return facts
    }

    private static func facts(_ row: PublicationRow, _ request: PageRequest) -> [Fact] {
        let (words, times) = (request.words, request.times)
        var facts = [Fact(words("publish.fact.made"), times.moment(row.createdAt))]
        if let planned = row.publishAt { facts.append(Fact(words("publish.fact.when"), times.moment(planned))) }
        facts.append(Fact(words("publish.fact.by"), row.createdBy, isCode: true))
        for medium in row.media.elements ?? [] {
            guard let text = medium["object_id"]?.text ?? medium["url"]?.text else { continue }
            facts.append(Fact(words("publish.fact.media"), text, isCode: true))
        }
        return facts
    }
}

/// What is done from the page of a publication.
enum PublicationForms {
    static let forms: [PageForm] = [
        PublicationMove.form,
        PageForm(path: "/publish/{id}/cancel") { request in
            let id = try request.id(PublicationKind.self)
            do {
                let answer = try await request.perform(
                    PublicationsAPI.cancel, path: ["id": id.text], body: .object([]))
                // What is still live the platform was asked to give up, or it was too late for.
                let left = (try JSON.parse(answer.body)["targets"]?.elements ?? []).contains { target in
                    TargetState(rawValue: target["state"]?.text ?? "")?.isLive ?? false
                }
                return .seeOther("/publish/\(id)", note: left ? "publication_given_up" : "publication_cancelled")
            } catch let problem as Problem where problem.type == .wrongState {
                return .seeOther("/publish/\(id)", note: "publication_too_late")
            }
        },
    ]
}
