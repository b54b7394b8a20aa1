public import Kit

/// Samples of the X Activity API, and one batch of the older Account Activity API.
extension X: SampleSource {
    public var samples: [WebhookSample] { Self.all }

    private static let all =
        [
            "post.create", "post.mention.create", "post.reply.create", "post.quote.create", "post.repost.create",
        ].map { type in
            activity(type) { with in
                [
                    "id": .string(with.digits(19)), "text": "Rye is back @socialdesk",
                    "author_id": .string(with.digits(19)), "created_at": .string(with.at.rfc3339),
                ]
            }
        } + [
            activity("post.delete") { ["id": .string($0.digits(19)), "author_id": .string($0.digits(19))] },
            activity("like.create") { ["post_id": .string($0.digits(19)), "user_id": .string($0.digits(19))] },
            activity("follow.follow") { follow($0) },
            activity("follow.unfollow") { follow($0) },
            activity("profile.update.bio") { _ in ["before": "Bread", "after": "Bread and cake"] },
            activity("dm.received") { with in
                [
                    "id": .string(with.digits(19)), "event_type": "MessageCreate", "text": "Is there rye today?",
                    "sender_id": .string(with.digits(19)), "created_at": .string(with.at.rfc3339),
                ]
            },
            activity("oauth.revoke") { with in
                [
                    "date_time": .string(with.at.rfc3339), "user_id": .string(with.digits(19)),
                    "app_id": .string(with.digits(8)),
                ]
            },
            WebhookSample("follow_events") { with in
                let follow: JSON = [
                    "type": "follow", "created_timestamp": .string(String(with.at.seconds * 1000)),
                    "source": ["id": .string(with.digits(19)), "screen_name": "lena_k"],
                    "target": ["id": .string(with.digits(19)), "screen_name": "harbourbakery"],
                ]
                return .json(["for_user_id": .string(with.digits(19)), "follow_events": [follow]])
            },
        ]

    private static func follow(_ with: WebhookSample.Ingredients) -> JSON {
        ["source": ["id": .string(with.digits(19))], "target": ["id": .string(with.digits(19))]]
    }

    private static func activity(
        _ type: String, _ payload: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(type) { with in
            .json([
                "data": [
                    "event_uuid": .string(with.digits(19)), "filter": ["user_id": .string(with.digits(19))],
                    "event_type": .string(type), "tag": "sample", "payload": payload(with),
                ]
            ])
        }
    }
}
