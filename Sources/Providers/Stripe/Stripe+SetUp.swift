public import Kit

/// Set-up, in the words of Stripe's own pages. Source: docs.stripe.com/webhooks, docs.stripe.com/api/webhook_endpoints.
extension Stripe: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Let this server order it",
                    "With a `STRIPE_SECRET_KEY` that may write webhook endpoints. The endpoint is made, its secret "
                        + "kept, and looked at every day; then the next two steps are done already. `--dry-run` says "
                        + "first what would be.",
                    commands: ["patchbay apps subscribe stripe --dry-run\npatchbay apps subscribe stripe"]),
                .init(
                    "Or tell Stripe where to send",
                    "In Stripe's dashboard, Workbench, Webhooks: add a destination for events of your account, of type "
                        + "webhook endpoint, with the address `{address}` and the events below. Or by its API, which "
                        + "answers the signing secret as `secret`:",
                    commands: [Self.creation]),
                .init(
                    "Give this server the signing secret",
                    "The whole text, `whsec_` included. While a secret is rotated both stand there, a comma "
                        + "between. Settings are read at the start, so restart the server then.",
                    commands: ["STRIPE_WEBHOOK_SECRET=whsec_…\nSTRIPE_SECRET_KEY=rk_…"]),
                .init(
                    "Say whose events they are",
                    "Put your user's id into `metadata.patchbay_user` of subscriptions, payments and checkout "
                        + "sessions. Or name the customer of a user:",
                    commands: [
                        """
                        patchbay users put user-42 --stripe-customer cus_…
                        """
                    ]),
                .init(
                    "Check it", "`doctor` says what is missing. Then send a test event from Stripe, and look.",
                    commands: ["patchbay doctor", "patchbay events list --provider stripe"]),
            ],
            events: Self.selected,
            settings: [
                .init(
                    "STRIPE_WEBHOOK_SECRET",
                    "The signing secret of the destination. Without it `{address}` answers 404."),
                .init(
                    "STRIPE_SECRET_KEY",
                    "Optional: a restricted key that may read subscriptions. With it Stripe is asked where its events "
                        + "leave a subscription's state open. A test instance refuses a live key."),
            ],
            documentation: "https://docs.stripe.com/webhooks")
    }

    private static var creation: String {
        """
        curl https://api.stripe.com/v1/webhook_endpoints -u "$STRIPE_SECRET_KEY:" \\
          -d url={address} \\
        \(selected.map { "  -d \"enabled_events[]=\($0)\"" }.joined(separator: " \\\n"))
        """
    }

    /// The types behind `handledEvents`, as Stripe lists them: api/events/types, read 2026-08.
    static let selected = [
        "charge.dispute.closed", "charge.dispute.created", "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn", "charge.dispute.updated", "charge.refunded", "checkout.session.completed",
        "customer.subscription.created", "customer.subscription.deleted", "customer.subscription.paused",
        "customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired",
        "customer.subscription.resumed", "customer.subscription.trial_will_end", "customer.subscription.updated",
        "invoice.paid", "invoice.payment_failed", "payment_intent.amount_capturable_updated",
        "payment_intent.canceled", "payment_intent.created", "payment_intent.partially_funded",
        "payment_intent.payment_failed", "payment_intent.processing", "payment_intent.requires_action",
        "payment_intent.succeeded", "payment_method.attached", "payment_method.detached",
    ]
}
