public import Kit
public import Store

/// Gives a billing platform's events to `Billing`, and turns what became of them into the job's end.
public struct BillingHandler: EventHandler {
    /// Of a subscription whose status is a guess; over when it is known.
    static let unclearAlert = AlertName.subscriptionUnclear

    private let billing: Billing
    private let ids: Identifiers

    public init(_ billing: Billing, ids: Identifiers) {
        self.billing = billing
        self.ids = ids
    }

    public func plan(_ event: StoredEvent) async throws -> any EventPlan { try await planned(event, asks: true) }

    public func planWithoutAsking(_ event: StoredEvent) async throws -> any EventPlan {
        try await planned(event, asks: false)
    }

    private func planned(_ event: StoredEvent, asks: Bool) async throws -> Planned {
        Planned(
            rules: billing.rules, plan: try await billing.plan(event, asks: asks), event: event, ids: ReadyIDs(ids),
            alerts: (0..<Planned.alertsMax).map { _ in (ids.make(AlertKind.self), ids.make(ChangeKind.self)) })
    }

    private struct Planned: EventPlan {
        static let alertsMax = 4
        let rules: BillingRules
        let plan: BillingPlan
        let event: StoredEvent
        let ids: ReadyIDs
        let alerts: [(alert: ID<AlertKind>, change: ID<ChangeKind>)]

        func apply(_ session: Session, at now: Timestamp) throws -> EventEffect {
            let applied = try rules.apply(plan, of: event, in: session, ids: ids, at: now)
            var effect = EventEffect(
                next(applied.next), userID: applied.userID, linked: applied.linked,
                alerts: zip(applied.unclear, alerts).map { alert(about: $0, $1, at: now) })
            effect.isErased = applied.state == .erased
            return effect
        }

        private func next(_ next: Applied.Next) -> EventEffect.Next {
            switch next {
            case .done: .done
            case .planAgain: .planAgain
            case .retry(let failure): .retry(reason: failure.message, wait: failure.retryAfter)
            case .held(let hold): .held(hold)
            }
        }

        private func alert(
            about subscription: String, _ ids: (alert: ID<AlertKind>, change: ID<ChangeKind>), at now: Timestamp
        ) -> NewAlert {
            NewAlert(
                id: ids.alert, kind: BillingHandler.unclearAlert, subject: subscription,
                summary:
                    "Two events of one second contradict each other about \(subscription); the best guess is kept.",
                action: "Set the platform's secret key, then replay the event \(event.id).", at: now,
                changeID: ids.change)
        }
    }
}
