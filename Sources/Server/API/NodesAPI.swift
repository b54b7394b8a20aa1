import Kit
import Store

/// Nodes: the processes that serve this instance.
enum NodesAPI {
    static let list = Action(
        "listNodes", "List nodes",
        notes: "Those that run, and those that ended in the last day. One page, 1,000 at most.",
        .needs(.read, "nodes"), answers: [.list(of: NodeView.schema)]
    ) { request in
        let now = request.now
        let rows = try await request.app.database.read("nodes") { try $0.nodes(endedAfter: now - .days(1)) }
        return request.list(rows, ListPage(limit: 1000), id: \.id.text, NodeView.init)
    }
}

struct NodeView: View {
    let row: NodeRow

    static let schema = Schema.named(
        "Node",
        .object([
            .required("id", .id(NodeKind.self), "Its id."),
            .required("state", .words(["running", "stopped", "revoked"]), "How it stands."),
            .required("host", .text(), "The machine."),
            .required("process", .integer(), "The process id there."),
            .required("program", .text(), "The program's version."),
            .required("started_at", .time, "When it began."),
            .required("beat_at", .time, "When it was heard of last."),
            .required("ended_at", Schema.time.orNull, "When it stopped or was revoked."),
        ]))

    func write(to writer: inout JSONWriter) {
        let state = row.revokedAt != nil ? "revoked" : row.stoppedAt != nil ? "stopped" : "running"
        writer.value([
            "id": JSON(row.id), "state": .string(state), "host": .string(row.host), "process": JSON(row.process),
            "program": .string(row.program), "started_at": JSON(row.startedAt), "beat_at": JSON(row.beatAt),
            "ended_at": JSON(row.revokedAt ?? row.stoppedAt),
        ])
    }
}
