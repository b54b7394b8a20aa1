import Kit
import Store

/// Which news of a means of payment counts: the later; in one moment that it left, since what has left a customer
/// does not come back.
enum PaymentMethodRules {
    static func take(
        _ news: PaymentMethodStatement, by event: ID<EventKind>, into row: inout PaymentMethodRow, isNew: Bool
    ) {
        if news.isAttached { row.attachedAt = [row.attachedAt, news.statedAt].compactMap { $0 }.min() }
        row.customer = row.customer ?? news.customer
        guard
            isNew || news.statedAt > row.statedAt
                || (news.statedAt == row.statedAt && row.isAttached && !news.isAttached)
        else { return }
        row.isAttached = news.isAttached
        row.customer = news.customer ?? row.customer
        row.type = news.type ?? row.type
        row.brand = news.brand ?? row.brand
        row.last4 = news.last4 ?? row.last4
        row.expires = news.expires ?? row.expires
        row.statedAt = news.statedAt
        row.statedBy = event
    }
}

/// Which news of a payment counts, and what it comes to: the later; in one moment the one that is further on its way.
/// A payment that has succeeded or was given up stays so.
enum PaymentRules {
    enum Happened: String { case succeeded, failed, refunded, disputed }

    /// - Returns: what followers are told, if the row says something new.
    static func take(_ news: PaymentStatement, by event: ID<EventKind>, into row: inout PaymentRow) -> Happened? {
        row.customer = news.customer ?? row.customer
        switch news.news {
        case .mentioned: return nil
        case .state(let state): return take(state, at: news.statedAt, by: event, into: &row)
        case .refunded(let sum):
            guard isLater(news.statedAt, than: row.refundedAt, tied: sum.minor > row.refunded) else { return nil }
            let grows = sum.minor > row.refunded
            row.refunded = sum.minor
            row.currency = sum.currency
            row.refundedAt = news.statedAt
            return grows ? .refunded : nil
        case .dispute(let dispute):
            guard isLater(news.statedAt, than: row.disputedAt, tied: dispute.stage > (row.dispute?.stage ?? -1)) else {
                return nil
            }
            let isNews = dispute.status != row.dispute?.status
            row.dispute = dispute
            row.disputedAt = news.statedAt
            return isNews ? .disputed : nil
        }
    }

    private static func take(
        _ state: PaymentState, at: Timestamp, by event: ID<EventKind>, into row: inout PaymentRow
    ) -> Happened? {
        guard state.outcome.isFinal || !row.outcome.isFinal else { return nil }
        let isFirstFinal = state.outcome.isFinal && !row.outcome.isFinal
        guard isFirstFinal || isLater(at, than: row.statedAt, tied: state.stage > row.stage) else { return nil }
        let before = row.outcome
        row.status = state.status
        row.outcome = state.outcome
        row.stage = state.stage
        row.amount = state.amount?.minor ?? row.amount
        row.currency = state.amount?.currency ?? row.currency
        row.problem = state.problem
        row.statedAt = at
        row.statedBy = event
        return switch state.outcome {
        case .succeeded: before == .succeeded ? nil : .succeeded
        case .failed: .failed
        case .open, .cancelled: nil
        }
    }

    private static func isLater(_ at: Timestamp, than known: Timestamp?, tied: Bool) -> Bool {
        guard let known else { return true }
        return at > known || (at == known && tied)
    }
}
