import Kit

/// A sample of every documented event. Changes by name go into its `content`, `event.…` into the event itself.
/// Source: developers.tiktok.com/doc/webhooks-events.
enum TikTokSamples {
    static let all: [Sample] = [
        sample("authorization.removed") { _ in [("reason", 1)] },
        sample("post.publish.failed") { [publish($0), ("reason", "file_format_check_failed"), direct] },
        sample("post.publish.complete") { [publish($0), direct] },
        sample("post.publish.inbox_delivered") {
            [("publish_id", .string($0.id("v_inbox_file~v2."))), ("publish_type", "INBOX_SHARE")]
        },
        sample("post.publish.publicly_available") { [publish($0), ("post_id", post($0)), direct] },
        sample("post.publish.no_longer_publicaly_available") { [publish($0), ("post_id", post($0)), direct] },
        sample("video.upload.failed") { [("share_id", .string($0.id("video.")))] },
        sample("video.publish.completed") { [("share_id", .string($0.id("video.")))] },
        sample("portability.download.ready", hasPerson: false) { _ in [("request_id", 123_123_123_123_123)] },
    ]

    private static let direct: (String, JSON) = ("publish_type", "DIRECT_PUBLISH")
    private static func publish(_ with: Sample.Ingredients) -> (String, JSON) {
        ("publish_id", .string(with.id("v_pub_file~v2-1.")))
    }
    /// A number as text, as events write it.
    private static func post(_ with: Sample.Ingredients) -> JSON {
        let sum = with.id("").utf8.reduce(UInt64(7)) { $0 &* 31 &+ UInt64($1) }
        return .string(String(7_400_000_000_000_000_000 + sum % 90_000_000_000_000_000))
    }

    private static func sample(
        _ type: String, hasPerson: Bool = true, _ content: @escaping @Sendable (Sample.Ingredients) -> [(String, JSON)]
    ) -> Sample {
        Sample(
            type: type,
            make: { with in
                let members = content(with).map { JSONMember($0.0, $0.1) }
                return TikTokBooks.event(
                    type, of: hasPerson ? with.id("open-") : nil, clientKey: "aw_sandbox", at: with.at.seconds,
                    .object(members))
            }, change: change)
    }

    @Sendable private static func change(_ event: inout JSON, _ name: String, _ value: JSON) {
        let path = name.split(separator: ".").map(String.init)
        if path.first == "event" { return event.set(Array(path.dropFirst()), value) }
        // Written by us; what a change has made unreadable begins anew.
        var content = (try? JSON.parse(event.text("content") ?? "{}")) ?? .object([])
        content.set(path, value)
        event.set("content", .string(String(decoding: content.bytes, as: UTF8.self)))
    }
}
