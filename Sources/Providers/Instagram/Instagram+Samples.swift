public import Kit

/// Samples of the fields that Meta documents for Instagram.
extension Instagram: SampleSource {
    public var samples: [WebhookSample] { Self.changes + Self.messages }

    private static let changes = [
        change("comments") { comment($0) },
        change("live_comments") { comment($0) },
        change("mentions") { ["media_id": .string($0.digits(17)), "comment_id": .string($0.digits(17))] },
        change("story_insights") { with in
            [
                "media_id": .string(with.digits(17)), "impressions": 444, "reach": 44, "taps_forward": 4,
                "taps_back": 3, "exits": 3, "replies": -1,
            ]
        },
    ]

    private static func comment(_ with: WebhookSample.Ingredients) -> JSON {
        [
            "from": ["id": .string(with.digits(16)), "username": "rye_fan"],
            "media": ["id": .string(with.digits(17)), "media_product_type": "FEED"],
            "id": .string(with.digits(17)), "text": "Lovely loaf",
        ]
    }

    private static let messages = [
        message("messages") { ["message": ["mid": .string($0.id("aWdf")), "text": "Is there rye today?"]] },
        message("message_reactions") { with in
            [
                "reaction": [
                    "mid": .string(with.id("aWdf")), "action": "react", "reaction": "love", "emoji": "\u{2764}",
                ]
            ]
        },
        message("messaging_seen") { ["read": ["mid": .string($0.id("aWdf"))]] },
        message("messaging_postbacks") { with in
            ["postback": ["mid": .string(with.id("aWdf")), "title": "Opening hours", "payload": "HOURS"]]
        },
    ]

    private static func change(
        _ field: String, _ value: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(field) { with in
            let entry: JSON = [
                "id": .string(with.digits(17)), "time": JSON(with.at.seconds),
                "changes": [["field": .string(field), "value": value(with)]],
            ]
            return .json(["object": "instagram", "entry": [entry]])
        }
    }

    private static func message(
        _ field: String, _ content: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(field) { with in
            let (account, milliseconds) = (with.digits(17), with.at.seconds * 1000)
            let parties = [
                JSONMember("sender", ["id": .string(with.digits(16))]),
                JSONMember("recipient", ["id": .string(account)]), JSONMember("timestamp", JSON(milliseconds)),
            ]
            let entry: JSON = [
                "time": JSON(milliseconds), "id": .string(account),
                "messaging": [.object(parties + (content(with).members ?? []))],
            ]
            return .json(["object": "instagram", "entry": [entry]])
        }
    }
}
