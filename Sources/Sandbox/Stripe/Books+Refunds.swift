import Kit

/// Money that goes back, asked for or fought over.
extension Books {
    func refund(_ charge: JSON, amount: Int64?, _ params: JSON) throws(StripeError) -> JSON {
        guard charge.isOn("captured"), charge.text("status") == "succeeded" else {
            throw StripeError(
                "This charge has not been captured. Cancel its payment intent instead.", code: "charge_not_refundable")
        }
        let left = charge.int("amount_captured") - charge.int("amount_refunded")
        guard left > 0 else {
            throw StripeError(
                "Charge \(charge.text("id") ?? "") has already been refunded.", code: "charge_already_refunded")
        }
        let amount = amount ?? left
        guard amount > 0 else {
            throw .validation(
                "This value must be greater than or equal to 1.", "parameter_invalid_integer", "amount")
        }
        guard amount <= left else {
            throw StripeError(
                "Refund amount (\(amount)) is greater than unrefunded amount on charge (\(left)).",
                code: "amount_too_large", param: "amount")
        }
        let isPending = charge.text("_behaviour") == TestCard.Behaviour.refundPends.rawValue
        var refund = make(
            .refund,
            [
                .init("amount", JSON(amount)), .init("charge", charge["id"] ?? .null),
                .init("currency", charge["currency"] ?? .null), .init("customer", charge["customer"] ?? .null),
                .init("payment_intent", charge["payment_intent"] ?? .null),
                .init("payment_method", charge["payment_method"] ?? .null),
                .init("status", isPending ? "pending" : "succeeded"),
            ])
        copy("metadata reason", from: params, to: &refund)
        refund.set("balance_transaction", balance(-amount, refund, "refund")["id"] ?? .null)
        save(refund)
        change(charge, telling: "charge.refunded") { charge in
            let total = charge.int("amount_refunded") + amount
            charge.set("amount_refunded", JSON(total))
            charge.set("refunded", .bool(total == charge.int("amount_captured")))
        }
        tell("refund.created", refund)
        let id = refund.text("id") ?? ""
        if isPending { world.due("\(platform.id) refund \(id) succeeded", at: now + 3 * 86_400) }
        if charge.text("_behaviour") == TestCard.Behaviour.refundFails.rawValue {
            world.due("\(platform.id) refund \(id) failed", at: now + 2 * 86_400)
        }
        return refund
    }

    /// Days later the bank says how it went. Money that could not be sent comes back.
    func refundEnded(_ id: String, _ status: String) {
        guard let refund = find(.refund, id), refund.text("status") != status else { return }
        let ended = change(refund, telling: "refund.updated") { refund in
            refund.set("status", .string(status))
            guard status != "succeeded" else { return }
            refund.set("failure_reason", status == "failed" ? "lost_or_stolen_card" : .null)
            let back = balance(refund.int("amount"), refund, "refund_failure")
            refund.set("failure_balance_transaction", back["id"] ?? .null)
        }
        if status == "failed" { tell("refund.failed", ended) }
        guard status != "succeeded", let charge = find(.charge, refund.text("charge")) else { return }
        change(charge, telling: "charge.updated") { charge in
            charge.set("amount_refunded", JSON(charge.int("amount_refunded") - refund.int("amount")))
            charge.set("refunded", false)
        }
    }

    func dispute(_ charge: JSON, isInquiry: Bool) {
        var dispute = make(
            .dispute,
            [
                .init("amount", charge["amount"] ?? 0), .init("charge", charge["id"] ?? .null),
                .init("currency", charge["currency"] ?? .null),
                .init("payment_intent", charge["payment_intent"] ?? .null),
                .init("status", isInquiry ? "warning_needs_response" : "needs_response"),
                .init("is_charge_refundable", .bool(isInquiry)),
            ])
        dispute.set(["evidence_details", "due_by"], JSON(now + 9 * 86_400))
        if isInquiry { dispute.set(["payment_method_details", "card", "case_type"], "inquiry") }
        if !isInquiry {
            let entry = balance(-charge.int("amount"), fee: 1500, dispute, "adjustment")
            dispute.set("balance_transactions", [entry])
        }
        save(dispute)
        change(find(.charge, charge.text("id")) ?? charge, telling: "charge.updated") { $0.set("disputed", true) }
        tell("charge.dispute.created", dispute)
        if !isInquiry { tell("charge.dispute.funds_withdrawn", dispute) }
    }

    /// The answer decides: Stripe's test evidence wins or loses at once.
    func answerDispute(_ dispute: JSON, _ params: JSON) throws(StripeError) -> JSON {
        guard ["needs_response", "warning_needs_response"].contains(dispute.text("status")) else {
            throw StripeError("This dispute is already closed or under review.", code: "dispute_already_closed")
        }
        let text = params["evidence", "uncategorized_text"]?.text
        var changed = dispute
        copy("evidence metadata", from: params, to: &changed)
        if params["evidence"] != nil { changed.set(["evidence_details", "has_evidence"], true) }
        let submits = params["submit"]?.boolean ?? (params["evidence"] != nil)
        if submits {
            let count = dispute["evidence_details", "submission_count"]?.integer ?? 0
            changed.set(["evidence_details", "submission_count"], JSON(count + 1))
            let isInquiry = dispute.text("status") == "warning_needs_response"
            changed.set("status", isInquiry ? "warning_under_review" : "under_review")
        }
        let answered = change(dispute, telling: "charge.dispute.updated") { $0 = changed }
        guard submits, let text, ["winning_evidence", "losing_evidence"].contains(text) else { return answered }
        return close(answered, "won", isWon: text == "winning_evidence")
    }

    func close(_ dispute: JSON, _ won: String, isWon: Bool) -> JSON {
        let isInquiry = dispute.text("status")?.hasPrefix("warning") ?? false
        let closed = change(dispute, telling: "charge.dispute.closed") { dispute in
            dispute.set("status", isInquiry ? "warning_closed" : isWon ? .string(won) : "lost")
            guard isWon, !isInquiry else { return }
            let entries = dispute["balance_transactions"]?.elements ?? []
            let back = balance(dispute.int("amount"), fee: -1500, dispute, "adjustment")
            dispute.set("balance_transactions", .array(entries + [back]))
        }
        if isWon, !isInquiry { tell("charge.dispute.funds_reinstated", closed) }
        return closed
    }
}
