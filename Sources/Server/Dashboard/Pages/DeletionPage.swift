import Engine
import HTTPTypes
import Hummingbird
import Kit
import Store

/// `/deletion/{code}`: how far an erasure is that a person asked for at a platform. For anybody who has the code; it
/// names nobody.
enum DeletionPage {
    struct Model: Sendable {
        let pill: Pill?
        let title: String
        let sentence: String
        let facts: [Fact]
        let kept: [String]
        let hasKept: Bool
    }

    static func unknown(_ words: Words) -> Model {
        Model(
            pill: nil, title: words("deletion.unknown.title"), sentence: words("deletion.unknown.sentence"), facts: [],
            kept: [], hasKept: false)
    }

    static func model(_ row: ErasureRow, _ request: PageRequest) -> Model {
        let (words, platform) = (request.words, ["platform": ProviderNames.of(row.provider ?? "")])
        let application = request.app.settings.applicationName ?? words("connect.application")
        let isDone = row.state == "done"
        let rows = ErasureCounts(row.counts).rows.reduce(0) { $0 + $1.count }
        var facts = [Fact(words("deletion.received"), request.times.moment(row.askedAt))]
        facts.append(Fact(words("deletion.rows"), words.number(rows)))
        if let end = row.finishedAt { facts.append(Fact(words("deletion.finished"), request.times.moment(end))) }
        return Model(
            pill: Pill(isDone ? .ok : .running, words(isDone ? "deletion.done" : "deletion.running")),
            title: words(isDone ? "deletion.done.title" : "deletion.running.title", platform),
            sentence: words(
                isDone ? "deletion.done.sentence" : "deletion.running.sentence",
                platform.merging(["app": application]) { $1 }), facts: facts,
            kept: ["request", "hash", "events", "backups"].map { words("deletion.kept.\($0)") }, hasKept: true)
    }
}

extension Dashboard {
    var deletionRoute: OtherRoute {
        OtherRoute("GET", "/deletion/{code}") { request, context in
            try await answered(request, context) { page in
                let code = page.parameter("code")
                let found =
                    code.utf8.count == 32
                    ? try await app.database.read("deletion") { try $0.erasure(code: code) } : nil
                let model = found.map { DeletionPage.model($0, page) } ?? DeletionPage.unknown(page.words)
                let shown = Page(path: page.path, entry: nil, template: "deletion") { _ in throw PageProblem.notFound }
                let frame = FrameModel(
                    shown, PageContent(Head(model.title), model), page, FrameModel.Surroundings())
                var response = Self.html(
                    found == nil ? 404 : 200,
                    Templates.shared.render("connect-page", frame, in: page.words.language))
                response.headers[.referrerPolicy] = "no-referrer"
                if let robots = HTTPField.Name("X-Robots-Tag") {
                    response.headers[robots] = "noindex, nofollow, noarchive"
                }
                return response
            }
        }
    }
}
