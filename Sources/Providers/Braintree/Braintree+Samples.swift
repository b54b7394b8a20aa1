public import Kit

/// Samples of the notifications of subscriptions, disputes and transactions, in the shape of Braintree's libraries.
extension Braintree: SampleSource {
    public var samples: [WebhookSample] { Self.subscriptions + Self.disputes + Self.others }

    private static let subscriptions = [
        ("went_active", "Active"), ("charged_successfully", "Active"), ("charged_unsuccessfully", "Past Due"),
        ("went_past_due", "Past Due"), ("canceled", "Canceled"), ("expired", "Expired"), ("trial_ended", "Active"),
        ("billing_skipped", "Active"),
    ].map { kind, status in
        sample("subscription_\(kind)") { with in
            """
            <subscription><id>\(with.id("sub"))</id><status>\(status)</status><price>19.99</price>\
            <transactions type="array"><transaction><id>\(with.id("tx"))</id><amount>19.99</amount>\
            <status>submitted_for_settlement</status></transaction></transactions>\
            <add-ons type="array"></add-ons><discounts type="array"></discounts></subscription>
            """
        }
    }

    private static let disputes = [
        "opened", "under_review", "won", "lost", "accepted", "auto_accepted", "disputed", "expired",
    ].map { state in
        sample("dispute_\(state)") { with in
            """
            <dispute><id>\(with.id("dp"))</id><amount>19.99</amount><currency-iso-code>USD</currency-iso-code>\
            <kind>chargeback</kind><status>\(state)</status><reason>fraud</reason>\
            <transaction><id>\(with.id("tx"))</id><amount>19.99</amount></transaction></dispute>
            """
        }
    }

    private static let others = [
        sample("check") { _ in #"<check type="boolean">true</check>"# },
        sample("transaction_settled") { transaction($0, "settled") },
        sample("transaction_settlement_declined") { transaction($0, "settlement_declined") },
        sample("transaction_disbursed") { transaction($0, "settled") },
        sample("disbursement") { with in
            """
            <disbursement><id>\(with.id("ds"))</id><amount>19.99</amount><success type="boolean">true</success>\
            <retry type="boolean">false</retry></disbursement>
            """
        },
        sample("payment_method_revoked_by_customer") { with in
            """
            <paypal-account><token>\(with.id("pm"))</token><customer-id>\(with.digits(9))</customer-id>\
            </paypal-account>
            """
        },
    ]

    private static func transaction(_ with: WebhookSample.Ingredients, _ status: String) -> String {
        """
        <transaction><id>\(with.id("tx"))</id><status>\(status)</status><type>sale</type>\
        <currency-iso-code>USD</currency-iso-code><amount>19.99</amount></transaction>
        """
    }

    private static func sample(
        _ kind: String, _ subject: @escaping @Sendable (WebhookSample.Ingredients) -> String
    ) -> WebhookSample {
        WebhookSample(kind) { with in
            let at = with.at.rfc3339.prefix(19) + "Z"
            return .xml(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <notification>
                  <kind>\(kind)</kind>
                  <timestamp type="datetime">\(at)</timestamp>
                  <subject>\(subject(with))</subject>
                </notification>

                """)
        }
    }
}
