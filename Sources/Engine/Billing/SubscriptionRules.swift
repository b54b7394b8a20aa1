import Kit
import Store

/// A statement, and the event that made it.
struct Witness {
    let event: ID<EventKind>
    let statement: SubscriptionStatement
}

/// Which of many statements about one subscription counts. Pure: the result depends on what was said and answered,
/// not on the order in which it was heard.
///
/// 1. Nothing follows a final state.
/// 2. The later moment of the platform's clock counts.
/// 3. Within one moment the chain of what each changed decides (`Chain`).
/// 4. What is left, and what may or may not lie before the platform's last answer, only the platform can tell: the
///    row is marked unclear until it was asked, and holds the best guess meanwhile.
enum SubscriptionRules {
    /// A statement so close after an answer may have been made before it: the clocks are not the same.
    static let clocksDiffer = Duration.seconds(10)
    /// Events of one moment that are remembered. More of one subscription never happen; then the platform is asked.
    static let tiedMax = 64

    /// - Parameters:
    ///   - canAsk: whether what is likely is worth a question. Where nobody can be asked, it counts.
    ///   - recall: what an earlier event of the same moment said of this subscription; nil when that is lost.
    static func take(
        _ new: Witness, into row: inout SubscriptionRow, canAsk: Bool,
        recall: (ID<EventKind>) throws -> SubscriptionStatement?
    ) rethrows {
        defer { refresh(&row) }
        let (object, at) = (new.statement.object, new.statement.statedAt)
        row.customer = row.customer ?? object.customer
        guard !row.tied.contains(new.event) else { return }
        guard let state = row.state, let statedAt = row.statedAt else { return adopt(new, into: &row) }
        let mayPrecedeAnswer = row.askedAt.map { at <= $0 + clocksDiffer } ?? false

        if object.isFinal, !row.isFinal {
            adopt(new, into: &row)
            row.isUnclear = at < statedAt  // Something is said to have followed what nothing can follow.
        } else if row.isFinal, !object.isFinal {
            if at > statedAt, !mayPrecedeAnswer { row.isUnclear = true }
        } else if at < statedAt {
            return
        } else if mayPrecedeAnswer, object.state == state {
            at > statedAt ? adopt(new, into: &row, isUnclear: row.isUnclear) : row.tied.append(new.event)
        } else if at > statedAt {
            adopt(new, into: &row, isUnclear: mayPrecedeAnswer)
        } else {
            try tie(new, into: &row, canAsk: canAsk, recall: recall)
            if mayPrecedeAnswer { row.isUnclear = true }
        }
    }

    private static func adopt(_ new: Witness, into row: inout SubscriptionRow, isUnclear: Bool = false) {
        row.state = new.statement.object.state
        row.isFinal = new.statement.object.isFinal
        row.statedAt = new.statement.statedAt
        row.statedBy = new.event
        row.tied = [new.event]
        row.isUnclear = isUnclear
    }

    private static func tie(
        _ new: Witness, into row: inout SubscriptionRow, canAsk: Bool,
        recall: (ID<EventKind>) throws -> SubscriptionStatement?
    ) rethrows {
        let earlier = try row.tied.compactMap { event in
            try recall(event).map { Witness(event: event, statement: $0) }
        }
        let isWhole = earlier.count == row.tied.count && row.tied.count < tiedMax
        let last = Chain.last(of: earlier + [new])
        row.state = last.witness.statement.object.state
        row.isFinal = last.witness.statement.object.isFinal
        row.statedBy = last.witness.event
        row.tied = row.tied.suffix(tiedMax - 1) + [new.event]
        row.isUnclear = last.certainty < (canAsk ? .certain : .likely) || !isWhole
    }

    static func take(_ invoice: InvoiceStatement, into row: inout SubscriptionRow) {
        defer { refresh(&row) }
        row.customer = row.customer ?? invoice.customer
        let (outcome, next): (InvoiceMark.Outcome, Timestamp?)
        switch invoice.outcome {
        case .paid(let until):
            row.paidUntil = [row.paidUntil, until].compactMap { $0 }.max()
            (outcome, next) = (.paid, nil)
        case .failed(let nextAttempt):
            (outcome, next) = (invoice.isFirst ? .failedFirst : .failed, nextAttempt)
        }
        // In one moment the payment is what came last: a paid invoice is not tried again.
        if let old = row.invoice, old.at > invoice.statedAt || (old.at == invoice.statedAt && outcome != .paid) {
            return
        }
        row.invoice = InvoiceMark(outcome, at: invoice.statedAt)
        row.nextPaymentAt = next
    }

    /// Whether the platform should be asked: two statements cannot be ordered, or only invoices have spoken.
    static func isOpen(_ row: SubscriptionRow) -> Bool { row.isUnclear || row.isProvisional }

    /// The latest moment of the platform's clock that a row knows of. An answer covers everything up to it.
    static func known(_ row: SubscriptionRow) -> Timestamp {
        max(row.statedAt ?? row.invoice?.at ?? .zero, row.invoice?.at ?? .zero)
    }

    /// What the platform answered counts over all that had been heard when it was asked.
    static func settle(
        _ row: inout SubscriptionRow, with object: SubscriptionObject, by event: ID<EventKind>, askedAt: Timestamp
    ) {
        let known = known(row)
        if known != row.statedAt { row.tied = [] }
        row.state = object.state
        row.isFinal = object.isFinal
        row.customer = object.customer ?? row.customer
        row.statedAt = known
        row.statedBy = event
        row.askedAt = askedAt
        row.isUnclear = false
        refresh(&row)
    }

    // MARK: What counts

    /// The status comes from the subscription. Invoices speak only where it has not, or where one failed since.
    private static func refresh(_ row: inout SubscriptionRow) {
        let supposed: String? =
            switch row.invoice?.outcome {
            case .paid: row.state == nil ? "active" : nil
            case .failed: mayHaveFailed(row) ? "past_due" : nil
            case .failedFirst: mayHaveFailed(row) ? "incomplete" : nil
            case nil: nil
            }
        row.status = supposed ?? row.state?.status
        row.isProvisional = supposed != nil
        row.standing = row.status.map(standing(of:)) ?? lastStanding
    }

    private static func mayHaveFailed(_ row: SubscriptionRow) -> Bool {
        guard let state = row.state, let statedAt = row.statedAt, let invoice = row.invoice else { return true }
        return invoice.at > statedAt && ["active", "trialing"].contains(state.status)
    }

    /// Which of a user's subscriptions speaks for the user: the best is 0. A word that we do not know stands between
    /// those that give something and those that are over.
    static func standing(of status: String) -> Int {
        switch status {
        case "active": 0
        case "trialing": 1
        case "past_due": 2
        case "unpaid": 3
        case "paused": 4
        case "incomplete": 5
        case "canceled", "incomplete_expired": lastStanding
        default: 6
        }
    }
    private static let lastStanding = 7
}
