public import Kit

/// Samples of the events that TikTok documents. Source: developers.tiktok.com/doc/webhooks-events.
extension TikTok: SampleSource {
    public var samples: [WebhookSample] { Self.all }

    private static let all = [
        sample("authorization.removed") { _ in ["reason": 1] },
        sample("post.publish.failed") { publication($0, [JSONMember("reason", "video_pull_failed")]) },
        sample("post.publish.complete") { publication($0) },
        sample("post.publish.inbox_delivered") { publication($0, type: "INBOX_SHARE") },
        sample("post.publish.publicly_available") { with in
            publication(with, [JSONMember("post_id", .string(with.digits(19)))])
        },
        // TikTok's own spelling.
        sample("post.publish.no_longer_publicaly_available") { with in
            publication(with, [JSONMember("post_id", .string(with.digits(19)))])
        },
        sample("video.upload.failed") { ["share_id": .string("video." + $0.digits(19))] },
        sample("video.publish.completed") { ["share_id": .string("video." + $0.digits(19))] },
        sample("portability.download.ready", isOfUser: false) { ["request_id": .number($0.digits(19))] },
    ]

    private static func publication(
        _ with: WebhookSample.Ingredients, _ more: [JSONMember] = [], type: JSON = "DIRECT_PUBLISH"
    ) -> JSON {
        .object(
            [
                JSONMember("publish_id", .string("v_pub_file~v2-1." + with.digits(19))),
                JSONMember("publish_type", type),
            ] + more)
    }

    /// `content` is a text that holds JSON.
    private static func sample(
        _ type: String, isOfUser: Bool = true, _ content: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(type) { with in
            .json(
                .object(
                    [
                        JSONMember("client_key", .string(with.id("aw"))), JSONMember("event", .string(type)),
                        JSONMember("create_time", JSON(with.at.seconds)),
                    ] + (isOfUser ? [JSONMember("user_openid", .string(with.id("open-")))] : [])
                        + [JSONMember("content", .string(String(decoding: content(with).bytes, as: UTF8.self)))]))
        }
    }
}
