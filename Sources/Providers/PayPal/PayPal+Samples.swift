public import Kit

/// Samples of events about orders, payments and subscriptions, and what it takes to sign one.
/// Source: developer.paypal.com/api/rest/webhooks/event-names.
extension PayPal: PlayedSource {
    public var samples: [WebhookSample] { Self.all }
    public var playedWith: PlayedKey.Kind { .certificate(name: "messageverificationcerts.paypal.com") }

    private static let all: [WebhookSample] = [
        sample("CHECKOUT.ORDER.APPROVED", "checkout-order", "An order has been approved by buyer") { with in
            ["id": .string(with.digits(17)), "intent": "CAPTURE", "status": "APPROVED"]
        },
        sample("PAYMENT.CAPTURE.COMPLETED", "capture", "Payment completed for EUR 12.50 EUR") {
            payment($0, "COMPLETED")
        },
        sample("PAYMENT.CAPTURE.DENIED", "capture", "Payment denied for EUR 12.50 EUR") { payment($0, "DECLINED") },
        sample("PAYMENT.CAPTURE.PENDING", "capture", "Payment pending for EUR 12.50 EUR") { payment($0, "PENDING") },
        sample("PAYMENT.CAPTURE.REFUNDED", "refund", "A EUR 12.50 EUR capture payment was refunded") {
            payment($0, "COMPLETED")
        },
        sample("BILLING.SUBSCRIPTION.ACTIVATED", "subscription", "Subscription activated") {
            subscription($0, "ACTIVE")
        },
        sample("BILLING.SUBSCRIPTION.CANCELLED", "subscription", "Subscription cancelled") {
            subscription($0, "CANCELLED")
        },
        sample("BILLING.SUBSCRIPTION.SUSPENDED", "subscription", "Subscription suspended") {
            subscription($0, "SUSPENDED")
        },
        sample("CUSTOMER.DISPUTE.CREATED", "dispute", "A new dispute opened with Case # PP-D-1") { with in
            [
                "dispute_id": .string("PP-D-" + with.digits(5)), "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
                "status": "OPEN",
            ]
        },
    ]

    private static func payment(_ with: WebhookSample.Ingredients, _ status: String) -> JSON {
        let order: JSON = ["order_id": .string(with.digits(17))]
        return [
            "id": .string(with.digits(17)), "status": .string(status),
            "amount": ["currency_code": "EUR", "value": "12.50"], "supplementary_data": ["related_ids": order],
            "create_time": .string(with.at.rfc3339),
        ]
    }

    private static func subscription(_ with: WebhookSample.Ingredients, _ status: String) -> JSON {
        [
            "id": .string("I-" + with.digits(12)), "plan_id": .string("P-" + with.digits(22)),
            "status": .string(status),
            "subscriber": ["email_address": "lena@example.com"], "start_time": .string(with.at.rfc3339),
        ]
    }

    private static func sample(
        _ type: String, _ resource: String, _ summary: String,
        _ content: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(type) { with in
            .json([
                "id": .string("WH-" + with.digits(17) + "-" + with.digits(17)), "event_version": "1.0",
                "create_time": .string(with.at.rfc3339), "resource_type": .string(resource),
                "event_type": .string(type), "summary": .string(summary), "resource": content(with),
            ])
        }
    }

    public func stage(_ key: PlayedKey, at base: String) -> PlayedStage {
        let path = Self.certificates + "CERT-patchbay-trigger"
        let root = key.root.map { ["PATCHBAY_CERTIFICATE_ROOTS=\($0)"] } ?? []
        return PlayedStage(
            documents: [
                path: KeyDocument(
                    url: base + path, contentType: "application/x-pem-file", body: Array(key.shown.utf8))
            ],
            settings: ["PAYPAL_BASE_URL=\(base)"] + root,
            sign: { draft, ids, time in
                guard let id = ids.lazy.compactMap(\.identifier).first else { return draft }
                let checksum = CRC32.of(draft.body)
                // The same for the same content, as in PayPal's repetitions.
                let transmission = "trigger-\(checksum)-\(draft.body.count)"
                let message = Array("\(transmission)|\(time.rfc3339)|".utf8) + id + Array("|\(checksum)".utf8)
                guard let signature = key.sign(message) else { return draft }
                var signed = draft
                signed.headers += [
                    Field(Header.id, transmission), Field(Header.time, time.rfc3339),
                    Field(Header.signature, String(decoding: Base64.encode(signature), as: UTF8.self)),
                    Field(Header.certificate, base + path), Field(Header.algorithm, Self.algorithm),
                ]
                return signed
            })
    }
}
