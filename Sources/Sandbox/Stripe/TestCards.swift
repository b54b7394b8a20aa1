import Kit

/// Stripe's test cards, under the names that stand for them. Source: docs/providers/stripe.md, "Test mode".
struct TestCard: Sendable {
    let brand: String
    let last4: String
    let funding: String
    /// What happens with it; a word of `Behaviour`.
    let behaviour: Behaviour

    enum Behaviour: String, Sendable {
        case good
        /// Declined, already when it is put on file.
        case declined, insufficientFunds, lost, stolen, expired, incorrectCVC, processingError, fraudulent
        /// Put on file without complaint, declined when it should pay.
        case failsLater
        /// Wants 3-D Secure each time, or only until it was set up.
        case authenticates, authenticatesUntilSetUp
        /// Pays; then something comes after.
        case disputed, inquiry, refundFails, refundPends
    }

    private init(_ brand: String, _ last4: String, _ behaviour: Behaviour = .good, funding: String = "credit") {
        self.brand = brand
        self.last4 = last4
        self.behaviour = behaviour
        self.funding = funding
    }

    /// By what follows `pm_card_`, or `tok_`.
    private static let all: [String: TestCard] = {
        let cards: [(String, TestCard)] = [
            ("visa", .init("visa", "4242")), ("visa_debit", .init("visa", "5556", funding: "debit")),
            ("mastercard", .init("mastercard", "4444")), ("amex", .init("amex", "8431")),
            ("discover", .init("discover", "1117")),
            ("chargeDeclined", .init("visa", "0002", .declined)),
            ("chargeDeclinedInsufficientFunds", .init("visa", "9995", .insufficientFunds)),
            ("chargeDeclinedLostCard", .init("visa", "9987", .lost)),
            ("chargeDeclinedStolenCard", .init("visa", "9979", .stolen)),
            ("chargeDeclinedExpiredCard", .init("visa", "0069", .expired)),
            ("chargeDeclinedIncorrectCvc", .init("visa", "0127", .incorrectCVC)),
            ("chargeDeclinedProcessingError", .init("visa", "0119", .processingError)),
            ("radarBlock", .init("visa", "0019", .fraudulent)),
            ("chargeCustomerFail", .init("visa", "0341", .failsLater)),
            ("threeDSecure2Required", .init("visa", "3220", .authenticates)),
            ("threeDSecureRequired", .init("visa", "3063", .authenticates)),
            ("authenticationRequired", .init("visa", "3184", .authenticates)),
            ("authenticationRequiredOnSetup", .init("visa", "3155", .authenticatesUntilSetUp)),
            ("authenticationRequiredSetupForOffSession", .init("visa", "3155", .authenticatesUntilSetUp)),
            ("createDispute", .init("visa", "0259", .disputed)),
            ("createDisputeInquiry", .init("visa", "1976", .inquiry)),
            ("refundFail", .init("visa", "5126", .refundFails)),
            ("pendingRefund", .init("visa", "7726", .refundPends)),
        ]
        return Dictionary(
            cards + cards.map { ("visa_" + $0.0, $0.1) }, uniquingKeysWith: { first, _ in first })
    }()

    /// The card of a name such as `pm_card_visa` or `tok_chargeDeclined`; nil for other names.
    static func named(_ name: String) -> TestCard? {
        for prefix in ["pm_card_", "tok_"] where name.hasPrefix(prefix) {
            return all[String(name.dropFirst(prefix.count))]
        }
        return nil
    }
    static let names: [String] = all.keys.map { "pm_card_" + $0 }.sorted()
}

extension TestCard.Behaviour {
    /// Why the issuer refuses, where it does.
    var decline: Decline? {
        switch self {
        case .declined, .failsLater: Decline("card_declined", "generic_decline", "Your card was declined.")
        case .insufficientFunds:
            Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
        case .lost: Decline("card_declined", "lost_card", "Your card was declined.")
        case .stolen: Decline("card_declined", "stolen_card", "Your card was declined.")
        case .fraudulent: Decline("card_declined", "fraudulent", "Your card was declined.")
        case .expired: Decline("expired_card", "expired_card", "Your card has expired.")
        case .incorrectCVC: Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
        case .processingError:
            Decline(
                "processing_error", "processing_error",
                "An error occurred while processing your card. Try again in a little bit.")
        case .good, .authenticates, .authenticatesUntilSetUp, .disputed, .inquiry, .refundFails, .refundPends: nil
        }
    }
    /// Whether it cannot even be put on file.
    var isRefusedOnFile: Bool { decline != nil && self != .failsLater }
}
