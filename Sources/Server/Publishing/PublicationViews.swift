import Engine
import Kit
import Store

/// A publication with its targets, as the API shows it.
struct PublicationView: View {
    static let states = TargetState.allCases.map(\.rawValue)

    let row: PublicationRow
    let targets: [TargetView]

    static let schema = Schema.named(
        "Publication",
        .object([
            .required("id", .id(PublicationKind.self), "Its id."),
            .required("state", .words(states), "Of the target that most needs somebody: `unknown`, then `failed`, …"),
            .required("content", .anything, "`title` and `text`, as they were given."),
            .required("media", .array(of: .anything), "`object_id` or `url`, in order."),
            .required("publish_at", Schema.time.orNull, "When it begins; null: at once."),
            .required("created_by", .text(), "The key that made it."),
            .required("version", .integer(), "Rises with every change; for If-Match."),
            .required("created_at", .time, "When it was made."),
            .required("updated_at", .time, "When something about it changed last."),
            .required("targets", .array(of: TargetView.schema), "One for each account."),
        ]))

    /// What needs somebody first.
    private static let order: [TargetState] = [
        .unknown, .failed, .waiting, .uploading, .processing, .scheduled, .inInbox, .published, .cancelled,
    ]
    var state: TargetState { Self.order.first { state in targets.contains { $0.row.state == state } } ?? .waiting }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("state", .string(state.rawValue))
            writer.member("content", row.content)
            writer.member("media", row.media)
            writer.member("publish_at", JSON(row.publishAt))
            writer.member("created_by", .string(row.createdBy))
            writer.member("version", JSON(row.version))
            writer.member("created_at", JSON(row.createdAt))
            writer.member("updated_at", JSON(row.updatedAt))
            writer.key("targets")
            writer.array { writer in for target in targets { target.write(to: &writer) } }
        }
    }
}

/// One publication's place in one account.
struct TargetView: View {
    let row: TargetRow
    /// When its job runs next.
    let due: Timestamp?
    let canCancel: Bool

    static let schema = Schema.named(
        "PublicationTarget",
        .object([
            .required("id", .id(TargetKind.self), "Its id."),
            .required("connection_id", .id(ConnectionKind.self), "The account."),
            .required("provider", .text(), "The platform."),
            .required("account_id", .text(), "The platform's own id of the account."),
            .required("user_id", Schema.text().orNull, "The application's user."),
            .required("options", .anything, "As they were given; docs: the platform's page."),
            .required("state", .words(PublicationView.states), "What has become of it."),
            .required("reason", Schema.text().orNull, "Why, for people."),
            .required("code", Schema.text().orNull, "The platform's word for it."),
            .required("who", Schema.text().orNull, "Who must act: `you`, `your_user`, `provider`, `operator`."),
            .required("next_action", Schema.text().orNull, "What happens next."),
            .required("next_at", Schema.time.orNull, "When."),
            .required(
                "can_cancel", .boolean,
                "Whether nothing irreversible has left yet, or the platform can be asked to give it up."),
            .required("source", .words(["FILE_UPLOAD", "PULL_FROM_URL"]), "How its media come to the platform."),
            .required("provider_publication_id", Schema.text().orNull, "The platform's own id of the upload."),
            .required("provider_status", Schema.text().orNull, "The platform's own word."),
            .required("provider_post_id", Schema.text().orNull, "The platform's own id of what is to be seen."),
            .required("bytes_sent", .integer(0...Int64.max), "As far as they are counted."),
            .required("bytes_total", .integer(0...Int64.max), "Of what lies here."),
            .required("started_at", Schema.time.orNull, "When the platform first had something of it."),
            .required("finished_at", Schema.time.orNull, "When it was over."),
            .required("withdrawn_at", Schema.time.orNull, "Since when it is no longer to be seen."),
            .required("version", .integer(), "Rises with every change."),
            .required("updated_at", .time, "When it changed last."),
        ]))

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("connection_id", JSON(row.connection))
            writer.member("provider", .string(row.provider))
            writer.member("account_id", .string(row.account))
            writer.member("user_id", JSON(row.userID))
            writer.member("options", row.options)
            writer.member("state", .string(row.state.rawValue))
            writer.member("reason", JSON(row.reason))
            writer.member("code", JSON(row.code))
            writer.member("who", JSON(row.who))
            writer.member("next_action", JSON(row.nextAction))
            writer.member("next_at", JSON(row.state.isLive ? due ?? row.nextAt : nil))
            writer.member("can_cancel", .bool(row.state.isLive && canCancel))
            writer.member("source", .string(row.source))
            writer.member("provider_publication_id", JSON(row.remoteID))
            writer.member("provider_status", JSON(row.remoteStatus))
            writer.member("provider_post_id", JSON(row.postID))
            writer.member("bytes_sent", JSON(row.sent))
            writer.member("bytes_total", JSON(row.size))
            writer.member("started_at", JSON(row.startedAt))
            writer.member("finished_at", JSON(row.finishedAt))
            writer.member("withdrawn_at", JSON(row.withdrawnAt))
            writer.member("version", JSON(row.version))
            writer.member("updated_at", JSON(row.updatedAt))
        }
    }
}

extension Session {
    /// Publications as they are shown.
    func views(of rows: [PublicationRow]) throws -> [PublicationView] {
        let targets = try targets(of: rows.map(\.id))
        let (due, open) = (try dueTimes(of: targets.map(\.id)), try cancellable(targets.map(\.id)))
        let byPublication = Dictionary(grouping: targets, by: \.publication)
        return rows.map { row in
            PublicationView(
                row: row,
                targets: (byPublication[row.id] ?? []).map { target in
                    TargetView(row: target, due: due[target.id.text], canCancel: open.contains(target.id.text))
                })
        }
    }
}
