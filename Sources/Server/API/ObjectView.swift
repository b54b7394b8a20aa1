import Kit
import Store

/// An object as the API shows it.
struct ObjectView: View {
    static let kinds = MediaFacts.Kind.allCases.map(\.rawValue)
    let row: ObjectRow

    static let schema = Schema.named(
        "Object",
        .object([
            .required("id", .id(ObjectKind.self), "Its id."),
            .required("kind", .words(kinds), "What its bytes are."),
            .required("content_type", .text(), "As the bytes say; as you declared where they say nothing."),
            .required("size", .integer(0...Int64.max), "In bytes."),
            .required("sha256", .text(), "In hex."),
            .required("key", Schema.text().orNull, "What your application calls it: one object a key."),
            .required("name", Schema.text().orNull, "What you call it."),
            .required("user_id", Schema.text().orNull, "Whose it is."),
            .required("width", Schema.integer().orNull, "In pixels."),
            .required("height", Schema.integer().orNull, "In pixels."),
            .required("duration_ms", Schema.integer().orNull, "Of a video."),
            .required("frame_rate_milli", Schema.integer().orNull, "Frames in a thousand seconds: 29970."),
            .required("codec", Schema.text().orNull, "As the file names it: `avc1`."),
            .required("created_at", .time, "When it came."),
            .required("expires_at", Schema.time.orNull, "Until when it is kept."),
        ]))

    func write(to writer: inout JSONWriter) {
        let facts = row.facts.json
        writer.object { writer in
            writer.member("id", JSON(row.id))
            writer.member("kind", .string(row.facts.kind.rawValue))
            writer.member("content_type", .string(row.contentType))
            writer.member("size", JSON(row.size))
            writer.member("sha256", .string(String(decoding: Hex.encode(row.sha256), as: UTF8.self)))
            writer.member("key", JSON(row.key))
            writer.member("name", JSON(row.name))
            writer.member("user_id", JSON(row.userID))
            for name in ["width", "height", "duration_ms", "frame_rate_milli", "codec"] {
                writer.member(name, facts[name] ?? .null)
            }
            writer.member("created_at", JSON(row.createdAt))
            writer.member("expires_at", JSON(row.expiresAt))
        }
    }
}
