import Kit
import Store

/// Whether this node lives and can serve.
enum HealthPages {
    static let live = Action(
        "live", "Whether the process lives", .open,
        query: [Parameter("nonce", .line(16...64), "To be answered with a proof of which instance this is.")],
        answers: [
            .ok(
                "It lives.",
                .object([
                    .required("status", .words(["ok"]), "Always ok."),
                    .optional("proof", .text(), "Where there was a nonce: its hash under the instance's own key."),
                ]))
        ]
    ) { request in
        var members: [JSONMember] = [.init("status", "ok")]
        if let nonce = request.queryText("nonce"), let proof = await request.app.addressProof.answer(to: nonce) {
            members.append(.init("proof", .string(proof)))
        }
        return .json { [members] in $0.value(.object(members)) }
    }

    static let ready = Action(
        "ready", "Whether this node can serve", notes: "503 names what is missing.", .open,
        answers: [
            .ok("It can.", ReadyView.schema),
            AnswerDescription(
                status: 503, what: "Something is missing.", contentType: "application/json", schema: ReadyView.schema,
                headers: ["Retry-After"]),
        ]
    ) { request in
        let view = ReadyView(dependencies: await request.app.dependencies())
        let answer = Answer.json(view.isReady ? 200 : 503, view)
        return view.isReady ? answer : answer.with("Retry-After", "2")
    }
}

extension App {
    /// What this node cannot serve without, by name; with what is wrong with it, where something is.
    fileprivate func dependencies() async -> [(name: String, reason: String?)] {
        var dependencies: [(name: String, reason: String?)] = []
        do {
            if let away = database.away { throw away }
            _ = try await Deadline(limit: .seconds(2)).of { [database] in
                try await database.read("ready") { try $0.feedHead() }
            }
            dependencies.append(("database", nil))
        } catch {
            dependencies.append(("database", "\((error as? StoreError)?.description ?? "It does not answer.")"))
        }
        for (name, check) in hooks.dependencies.sorted(by: { $0.key < $1.key }) {
            dependencies.append((name, await check()))
        }
        return dependencies
    }
}

private struct ReadyView: View {
    let dependencies: [(name: String, reason: String?)]
    var isReady: Bool { dependencies.allSatisfy { $0.reason == nil } }

    static let schema = Schema.named(
        "Readiness",
        .object([
            .required("status", .words(["ready", "not_ready"]), "Whether it can serve."),
            .required("dependencies", .array(of: .text()), "Everything that it cannot serve without, by name."),
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
            writer.member("status", isReady ? "ready" : "not_ready")
            writer.member("dependencies", .array(dependencies.map { .string($0.name) }))
            let missing = dependencies.compactMap { name, reason in
                reason.map { ["name": .string(name), "reason": .string($0)] as JSON }
            }
            writer.member("missing", .array(missing))
        }
    }
}
