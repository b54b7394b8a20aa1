import Kit
import Store

/// Whether this node lives and can serve.
enum HealthPages {
    static let live = Action(
        "live", "Whether the process lives", .open,
        answers: [.ok("It lives.", .object([.required("status", .words(["ok"]), "Always ok.")]))]
    ) { _ in .json { $0.value(["status": "ok"]) } }

    static let ready = Action(
        "ready", "Whether this node can serve", notes: "503 names what is missing.", .open,
        answers: [
            .ok("It can.", ReadyView.schema),
            AnswerDescription(
                status: 503, what: "Something is missing.", contentType: "application/json", schema: ReadyView.schema,
                headers: ["Retry-After"]),
        ]
    ) { request in
        let missing = await request.app.missing()
        let answer = Answer.json(missing.isEmpty ? 200 : 503, ReadyView(missing: missing))
        return missing.isEmpty ? answer : answer.with("Retry-After", "2")
    }
}

extension App {
    /// What this node cannot serve without and does not have, by name.
    fileprivate func missing() async -> [(name: String, reason: String)] {
        var missing: [(name: String, reason: String)] = []
        do { _ = try await database.read("ready") { try $0.feedHead() } } catch {
            missing.append(("database", "\((error as? StoreError)?.description ?? "It does not answer.")"))
        }
        for (name, check) in hooks.dependencies.sorted(by: { $0.key < $1.key }) {
            if let reason = await check() { missing.append((name, reason)) }
        }
        return missing
    }
}

private struct ReadyView: View {
    let missing: [(name: String, reason: String)]

    static let schema = Schema.named(
        "Readiness",
        .object([
            .required("status", .words(["ready", "not_ready"]), "Whether it can serve."),
            .required(
                "missing",
                .array(
                    of: .object([
                        .required("name", .text(), "`database`, …"),
                        .required("reason", .text(), "What is wrong with it."),
                    ])), "What it lacks."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("status", missing.isEmpty ? "ready" : "not_ready")
            writer.member("missing", .array(missing.map { ["name": .string($0.name), "reason": .string($0.reason)] }))
        }
    }
}
