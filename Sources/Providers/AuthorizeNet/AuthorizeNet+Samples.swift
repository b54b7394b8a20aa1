public import Kit

/// Samples of the event types that Authorize.Net documents.
extension AuthorizeNet: SampleSource {
    public var samples: [WebhookSample] { Self.payments + Self.fraud + Self.subscriptions + Self.customers }

    private static func sample(
        _ type: String, _ payload: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample("net.authorize." + type) { with in
            .json([
                "notificationId": .string(uuid(with)), "eventType": .string("net.authorize." + type),
                "eventDate": .string(String(with.at.rfc3339.dropLast()) + "7Z"), "webhookId": .string(uuid(with)),
                "payload": payload(with),
            ])
        }
    }

    private static func uuid(_ with: WebhookSample.Ingredients) -> String {
        [8, 4, 4, 4, 12].map(with.digits).joined(separator: "-")
    }

    private static let payments = [
        "payment.authorization", "payment.authcapture", "payment.capture", "payment.priorAuthCapture", "payment.refund",
        "payment.void",
    ].map { type in sample("\(type).created") { payment($0) } }

    private static let fraud = ["held", "approved", "declined"].map { type in
        sample("payment.fraud.\(type)") { with in
            let list: JSON = [["fraudFilter": "AmountFilter", "fraudAction": "authAndHold"]]
            return payment(with, type == "held" ? [JSONMember("fraudList", list)] : [])
        }
    }

    private static func payment(_ with: WebhookSample.Ingredients, _ more: [JSONMember] = []) -> JSON {
        .object(
            [
                JSONMember("responseCode", 1), JSONMember("authCode", "LZ6I19"), JSONMember("avsResponse", "Y"),
                JSONMember("authAmount", .number("45.00")), JSONMember("invoiceNumber", "INV-1"),
                JSONMember("entityName", "transaction"), JSONMember("id", .string(with.digits(11))),
            ] + more)
    }

    private static let subscriptions = [
        "created", "updated", "suspended", "terminated", "cancelled", "expiring",
    ].map { state in
        sample("customer.subscription.\(state)") { with in
            [
                "name": "A loaf a week", "amount": .number("19.99"),
                "status": .string(["suspended", "terminated"].contains(state) ? state : "active"),
                "profile": [
                    "customerProfileId": .string(with.digits(9)), "customerPaymentProfileId": .string(with.digits(9)),
                ],
                "entityName": "subscription", "id": .string(with.digits(7)),
            ]
        }
    }

    private static let customers = ["created", "updated", "deleted"].flatMap { state in
        [
            sample("customer.\(state)") { with in
                [
                    "paymentProfiles": [["id": .string(with.digits(9)), "customerType": "individual"]],
                    "merchantCustomerId": .string(with.id("cust")), "entityName": "customerProfile",
                    "id": .string(with.digits(9)),
                ]
            },
            sample("customer.paymentProfile.\(state)") { with in
                [
                    "customerProfileId": .string(with.digits(9)), "entityName": "customerPaymentProfile",
                    "id": .string(with.digits(9)), "customerType": "individual",
                ]
            },
        ]
    }
}
