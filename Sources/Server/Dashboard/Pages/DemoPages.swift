import Kit
import Store

/// What exists in a demo only: the checklist's buttons, and the way from the demo to one's own account.
enum DemoPages {
    /// Longer than the page takes that says so.
    private static let killDelay: Int64 = 1500

    static func pages(_ demo: LocalClient) -> [Page] {
        [
            Page(path: "/demo/mine", entry: .now, template: "demo-mine") { request in
                try await content(request, demo, found: nil)
            }
        ]
    }

    static func forms(_ demo: LocalClient) -> [PageForm] {
        let acts: [(path: String, note: String)] = [
            ("/fail-payment", "demo_payment"), ("/break", "demo_broken"), ("/mend", "demo_mended"),
            ("/advance", "demo_month"),
        ]
        let simple = acts.map { path, note in
            PageForm(path: "/demo" + path) { _ in
                _ = try await demo.ask(.POST, path, [:])
                return .seeOther("/", note: note)
            }
        }
        let kill = PageForm(path: "/demo/kill") { _ in
            _ = try await demo.ask(.POST, "/kill", ["delay_ms": JSON(killDelay)])
            return .seeOther("/", note: "demo_killed")
        }
        let open = PageForm(path: "/demo/open") { request in
            let rows = try await request.app.database.read("demo_event") {
                try $0.events(EventFilter(), ListPage(limit: 1))
            }
            guard let event = rows.first else { return .seeOther("/", note: "demo_no_event") }
            return .seeOther("/events/\(event.id)")
        }
        let mine = PageForm(path: "/demo/mine") { request in
            let body: JSON = [
                "secret_key": .string(trimmed(request.form["secret_key"])),
                "webhook_secret": .string(trimmed(request.form["webhook_secret"])),
            ]
            let found = try await demo.ask(.POST, "/mine", body)
            let page = Page(path: "/demo/mine", entry: .now, template: "demo-mine") { _ in throw PageProblem.notFound }
            return .again(page, try await content(request, demo, found: found))
        }
        return simple + [kill, open, mine]
    }

    private static func trimmed(_ text: String?) -> String {
        (text ?? "").filter { !$0.isWhitespace }
    }

    /// Tells the demo that somebody looks at an event.
    static func note(_ page: Page, _ request: PageRequest, _ demo: LocalClient) async {
        guard page.path == "/events/{id}" else { return }
        _ = try? await demo.ask(.POST, "/seen", ["event": .string(request.parameter())])  // It ticks the next time.
    }

    // MARK: To one's own account

    struct MineModel: Sendable {
        struct Found: Sendable {
            let lamp: Lamp
            let sentence: String
            let advice: String?
        }
        let address: Command
        let listen: Command
        let types: [String]
        let findings: [Found]
        let hasFindings: Bool
        let problem: String?
        let problems: [String]
        let isWrong: Bool
        let start: [Command]
    }

    /// What is acted upon, so that nobody needs to send all.
    private static let types = [
        "customer.subscription.*", "invoice.paid", "invoice.payment_failed", "checkout.session.completed",
        "payment_intent.*", "payment_method.attached", "payment_method.detached", "charge.refunded", "charge.dispute.*",
    ]

    private static func content(
        _ request: PageRequest, _ demo: LocalClient, found: JSON?
    ) async throws -> PageContent {
        let words = request.words
        var head = Head(words("mine.title"))
        head.crumbs = [Link(words("nav.now"), "/")]
        head.lede = words("mine.lede")
        let problem = found?["problem"]?.text
        let findings = (found?["findings"]?.elements ?? []).map { row in
            MineModel.Found(
                lamp: Lamp(lamp(row["verdict"]?.text ?? "")), sentence: row["sentence"]?.text ?? "",
                advice: row["advice"]?.text)
        }
        let file = found?["file"]?.text
        var content = PageContent(
            head,
            MineModel(
                address: Command(nil, "https://YOUR-HOST/webhooks/stripe"),
                listen: Command(nil, "stripe listen --forward-to http://127.0.0.1:8484/webhooks/stripe"),
                types: types, findings: findings, hasFindings: !findings.isEmpty, problem: problem,
                problems: [problem].compactMap { $0 }, isWrong: problem != nil,
                start: file.map {
                    [
                        Command(nil, "cp \($0) patchbay.env"),
                        Command(nil, "patchbay serve --config patchbay.env"),
                        Command(nil, "patchbay doctor --config patchbay.env"),
                    ]
                } ?? []))
        if problem != nil { content.status = 422 }
        return content
    }

    private static func lamp(_ verdict: String) -> LampState {
        switch verdict {
        case "ok": .ok
        case "warning": .needs
        case "failed": .failed
        default: .todo
        }
    }
}
