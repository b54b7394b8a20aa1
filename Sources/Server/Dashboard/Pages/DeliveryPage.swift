import Kit
import Store

/// One delivery, mostly one that was refused: what came, and why it was not believed.
enum DeliveryPage {
    struct Model: Sendable {
        let received: ReceivedModel
        let proof: ProofModel?
        let facts: [Fact]
        let event: Link?
    }
    struct Fact: Sendable {
        let name: String
        let value: String
    }

    static let page = Page(path: "/deliveries/{id}", entry: .events, template: "delivery") { request in
        let id = try request.id(DeliveryKind.self)
        let found = try await request.app.database.read("delivery_page") { session in
            (row: try session.delivery(id), body: try session.body(of: id))
        }
        guard let row = found.row else { throw PageProblem.notFound }
        let base = request.app.settings.browserAddress
        return PageContent(
            head(row, request), model(row, found.body, request),
            commands: [
                Command("curl", "curl -H \"Authorization: Bearer $PATCHBAY_API_KEY\" \(base)/v1/deliveries/\(id)"),
                Command("CLI", "patchbay trace \(id)"),
            ])
    }

    private static func head(_ row: DeliveryRow, _ request: PageRequest) -> Head {
        let (words, name) = (request.words, ProviderNames.of(row.provider))
        var head = Head(words(row.verdict == "rejected" ? "delivery.refused" : "delivery.title", ["provider": name]))
        head.crumbs = [Link(words("events.title"), "/events")]
        head.id = ShortID(row.id.text)
        head.jack = Jack(name, size: "l")
        switch row.verdict {
        case "rejected": head.pill = Pill(.failed, words("state.refused"))
        case "duplicate": head.pill = Pill(.paused, words("state.repeat"))
        default: head.pill = Pill(.ok, words("state.applied"))
        }
        let time = request.times.exact(row.receivedAt).text
        head.lede = words(
            row.verdict == "rejected" ? "delivery.lede_refused" : "delivery.lede",
            ["time": time, "remote": row.remote ?? "?"])
        return head
    }

    private static func model(_ row: DeliveryRow, _ body: [UInt8]?, _ request: PageRequest) -> Model {
        let words = request.words
        let target = OutsideText.bounded(row.target.prefix { $0 != UInt8(ascii: "?") }, 200)
        return Model(
            received: ReceivedModel(
                of: row, body: body, payload: body, target: "/deliveries/\(row.id)", known: [:],
                signature: Signing.scheme(of: row.provider)?.signatureHeaders ?? [], request),
            proof: row.verdict == "rejected" ? ProofModel(refused: row, request) : nil,
            facts: [
                Fact(name: words("delivery.request"), value: "\(row.method) \(target)"),
                Fact(name: words("delivery.from"), value: row.remote ?? "?"),
                Fact(name: words("delivery.size"), value: words("event.bytes", ["n": words.number(row.size)])),
                Fact(name: words("delivery.code"), value: row.code ?? "—"),
                Fact(name: words("delivery.flags"), value: row.flags.isEmpty ? "—" : row.flags.joined(separator: ", ")),
            ], event: row.eventID.map { Link(ShortID($0).short, "/events/\($0)") })
    }
}
