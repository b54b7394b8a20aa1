import Kit
import Store

/// The whole story of one thing: where it came from, what it did, whom it was told.
enum TraceAPI {
    static let get = Action(
        "trace", "Tell the whole story of one thing",
        notes:
            "By an id of ours (dlv_, evt_, job_, call_, chg_, att_, ep_, rev_, alr_, sync_, recon_, pub_), a "
            + "platform's event id, or a user's id. It spans resources, so it needs a key that may read all of them.",
        .needs(.read, "trace"),
        path: [Parameter("id", .line(1...256).example("evt_01kb2c3d4e5f6g7h8j9k0m1n2p"), "What the story is about.")],
        answers: [.ok("The story, in the order of time.", TraceView.schema)], problems: [.notFound]
    ) { request in
        let (id, now) = (request.pathText(), request.now)
        guard let story = try await request.app.database.read("story", { try $0.story(of: id, at: now) }) else {
            throw Problem(.notFound, "Nothing is kept about this id. Retention may have removed it.")
        }
        return .json(200, TraceView(id: id, story: story))
    }
}

struct TraceView: View {
    let id: String
    let story: Story

    static let schema = Schema.named(
        "Trace",
        .object([
            .required("id", .text(), "What was asked for."),
            .required(
                "kind",
                .words([
                    "delivery", "event", "job", "call", "change", "attempt", "endpoint", "review", "alert", "sync",
                    "reconciliation", "publication", "user",
                ]), "What the id names."),
            .required("steps", .array(of: TraceStep.schema), "What happened, in the order of time."),
            .required("complete", .boolean, "False when there is more than fits: the newest is here."),
            .required("live_job", Schema.text().orNull, "The job that will go on with it; ask /v1/jobs/{id}/why."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", .string(id))
            writer.member("kind", .string(story.kind))
            writer.key("steps")
            writer.array { writer in for step in story.steps { step.write(to: &writer) } }
            writer.member("complete", .bool(!story.isCut))
            writer.member("live_job", JSON(story.jobs.last { $0.finishedAt == nil }?.id))
        }
    }
}

/// One thing that happened.
struct TraceStep: View, Equatable {
    let at: Timestamp
    /// Of what kind the thing is.
    let kind: String
    let id: String
    /// `accepted`, `dead`, `delivered`, …: the kind's own word.
    let state: String
    let sentence: String

    static let schema = Schema.named(
        "TraceStep",
        .object([
            .required("at", .time, "When."),
            .required("kind", .text(), "What it is: `delivery`, `event`, `job`, `change`, `attempt`, …"),
            .required("id", .text(), "Its id."),
            .required("state", .text(), "What became of it, in the kind's own word."),
            .required("sentence", .text(), "For a person."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.value([
            "at": JSON(at), "kind": .string(kind), "id": .string(id), "state": .string(state),
            "sentence": .string(sentence),
        ])
    }
}
