public import Kit

/// Samples of the events that SendGrid documents, each alone in its batch.
/// Source: twilio.com/docs/sendgrid/for-developers/tracking-events/event.
extension SendGrid: SampleSource {
    public var samples: [WebhookSample] { Self.all }

    private static let all = [
        sample("processed"),
        sample("deferred", [JSONMember("response", "451 4.3.0 Try again later"), JSONMember("attempt", "5")]),
        sample("delivered", [JSONMember("response", "250 OK"), JSONMember("ip", "192.0.2.10"), JSONMember("tls", 1)]),
        sample(
            "bounce",
            [
                JSONMember("type", "bounce"), JSONMember("reason", "550 5.1.1 No such mailbox"),
                JSONMember("status", "5.1.1"), JSONMember("bounce_classification", "Invalid Address"),
            ]),
        sample("dropped", [JSONMember("reason", "Bounced Address"), JSONMember("status", "5.0.0")]),
        sample("open", [JSONMember("useragent", "Mozilla/5.0"), JSONMember("sg_machine_open", false)]),
        sample("click", [JSONMember("url", "https://example.com/menu"), JSONMember("useragent", "Mozilla/5.0")]),
        sample("spamreport"), sample("unsubscribe"), sample("group_unsubscribe", [JSONMember("asm_group_id", 10)]),
        sample("group_resubscribe", [JSONMember("asm_group_id", 10)]),
    ]

    private static func sample(_ type: String, _ more: [JSONMember] = []) -> WebhookSample {
        WebhookSample(type) { with in
            .json(
                .array([
                    .object(
                        [
                            JSONMember("email", "lena@example.com"), JSONMember("timestamp", JSON(with.at.seconds)),
                            JSONMember("event", .string(type)), JSONMember("sg_event_id", .string(with.id(""))),
                            JSONMember("sg_message_id", .string(with.id("") + ".filter0001")),
                            JSONMember("category", ["orders"]),
                        ] + more)
                ]))
        }
    }
}
