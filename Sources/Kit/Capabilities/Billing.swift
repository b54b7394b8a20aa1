/// Sells subscriptions and takes payments, and tells of both by webhook.
///
/// Pure: an event's bytes go in, typed facts come out. Which fact counts is the engine's rule (`Engine/Billing`),
/// the same for every platform.
public protocol BillingSource: WebhookSource, Callable {
    /// The field of `PUT /v1/users/{id}` by which an application says which customer is its user:
    /// `stripe_customer_id`.
    var customerField: String { get }

    /// The facts in an event of a type that `webhooks` handles, in the shapes of old and new API versions.
    func billing(in event: EventContent) throws(Unreadable) -> [BillingFact]

    /// Asks for a subscription as it is now: what decides when events alone cannot.
    /// - Parameter account: the account at the platform that the event named, if any.
    func subscription(_ id: String, in account: String?) -> Call<SubscriptionObject>
}

/// An event's own words and bytes, as providers read them.
public struct EventContent: Sendable {
    public let type: String
    /// When it happened, by the platform's clock.
    public let occurredAt: Timestamp?
    public let body: [UInt8]

    public init(type: String, occurredAt: Timestamp?, body: [UInt8]) {
        self.type = type
        self.occurredAt = occurredAt
        self.body = body
    }
}

/// One thing that a platform said, at one moment of its own clock.
public enum BillingFact: Sendable, Equatable {
    case subscription(SubscriptionStatement)
    case invoice(InvoiceStatement)
    case paymentMethod(PaymentMethodStatement)
    case payment(PaymentStatement)
    /// Whose customer it is.
    case user(UserReference)
}

// MARK: Subscriptions

/// A subscription as the platform showed it once.
public struct SubscriptionObject: Sendable, Equatable {
    public let id: String
    public let customer: String?
    public let state: SubscriptionState
    /// Nothing can follow this state at the platform.
    public let isFinal: Bool
    /// The whole object, which the chain compares.
    public let content: JSON

    public init(id: String, customer: String?, state: SubscriptionState, isFinal: Bool, content: JSON) {
        self.id = id
        self.customer = customer
        self.state = state
        self.isFinal = isFinal
        self.content = content
    }
}

/// What is kept of a subscription.
public struct SubscriptionState: Sendable, Equatable {
    /// The platform's own word, known to us or not.
    public var status: String
    /// The platform's id of the price; of the first where there are several.
    public var plan: String?
    /// The latest end among its items.
    public var currentPeriodEnd: Timestamp?
    public var cancelAtPeriodEnd: Bool
    public var endedAt: Timestamp?
    /// The means of payment that this subscription uses by itself, where it names one.
    public var paymentMethod: String?

    public init(
        status: String, plan: String? = nil, currentPeriodEnd: Timestamp? = nil, cancelAtPeriodEnd: Bool = false,
        endedAt: Timestamp? = nil, paymentMethod: String? = nil
    ) {
        self.status = status
        self.plan = plan
        self.currentPeriodEnd = currentPeriodEnd
        self.cancelAtPeriodEnd = cancelAtPeriodEnd
        self.endedAt = endedAt
        self.paymentMethod = paymentMethod
    }
}

/// That a subscription was so at a moment.
public struct SubscriptionStatement: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// Nothing came before it.
        case created
        /// What it was directly before: the members that differ, as the platform lists them.
        case changed(before: JSON)
        /// Only that it was so.
        case seen
    }

    public let object: SubscriptionObject
    public let kind: Kind
    public let statedAt: Timestamp

    public init(_ object: SubscriptionObject, _ kind: Kind, at statedAt: Timestamp) {
        self.object = object
        self.kind = kind
        self.statedAt = statedAt
    }
}

/// How an attempt to collect an invoice ended.
public struct InvoiceStatement: Sendable, Equatable {
    public enum Outcome: Sendable, Equatable {
        /// Paid, for a period that ends then: the latest end among its lines.
        case paid(until: Timestamp?)
        /// Not paid; the platform tries again then, or never.
        case failed(nextAttempt: Timestamp?)
    }

    public let subscription: String
    public let customer: String?
    public let outcome: Outcome
    /// The subscription's first invoice: when it fails, the subscription has not begun.
    public let isFirst: Bool
    public let statedAt: Timestamp

    public init(
        subscription: String, customer: String?, outcome: Outcome, isFirst: Bool, statedAt: Timestamp
    ) {
        self.subscription = subscription
        self.customer = customer
        self.outcome = outcome
        self.isFirst = isFirst
        self.statedAt = statedAt
    }
}

// MARK: Payments

/// A means of payment that came to a customer, or left one.
public struct PaymentMethodStatement: Sendable, Equatable {
    public let id: String
    /// Whose it became, or whose it was.
    public let customer: String?
    public let isAttached: Bool
    /// `card`, `sepa_debit`: the platform's word.
    public let type: String?
    public let brand: String?
    public let last4: String?
    /// `2030-12`.
    public let expires: String?
    public let statedAt: Timestamp

    public init(
        id: String, customer: String?, isAttached: Bool, type: String?, brand: String?, last4: String?,
        expires: String?,
        statedAt: Timestamp
    ) {
        self.id = id
        self.customer = customer
        self.isAttached = isAttached
        self.type = type
        self.brand = brand
        self.last4 = last4
        self.expires = expires
        self.statedAt = statedAt
    }
}

/// News of one payment.
public struct PaymentStatement: Sendable, Equatable {
    public enum News: Sendable, Equatable {
        case state(PaymentState)
        /// In all, over its life.
        case refunded(Money)
        case dispute(DisputeState)
        /// Only that this customer made it.
        case mentioned
    }

    public let id: String
    public let customer: String?
    public let news: News
    public let statedAt: Timestamp

    public init(id: String, customer: String?, news: News, statedAt: Timestamp) {
        self.id = id
        self.customer = customer
        self.news = news
        self.statedAt = statedAt
    }
}

public struct PaymentState: Sendable, Equatable {
    /// The platform's own word.
    public let status: String
    /// How far on its way a payment in this state is: decides between two of one moment.
    public let stage: Int
    public let outcome: PaymentOutcome
    public let amount: Money?
    /// The platform's code for what went wrong: `insufficient_funds`.
    public let problem: String?

    public init(status: String, stage: Int, outcome: PaymentOutcome, amount: Money?, problem: String?) {
        self.status = status
        self.stage = stage
        self.outcome = outcome
        self.amount = amount
        self.problem = problem
    }
}

public enum PaymentOutcome: String, Sendable, Equatable {
    /// On its way.
    case open
    /// An attempt failed; another may follow.
    case failed
    /// The money came. Nothing but refunds and disputes follows.
    case succeeded
    /// Given up. Nothing follows.
    case cancelled

    /// Nothing follows.
    public var isFinal: Bool { self == .succeeded || self == .cancelled }
}

public struct DisputeState: Sendable, Equatable {
    /// The platform's own word: `needs_response`, `lost`.
    public let status: String
    /// As in `PaymentState`.
    public let stage: Int

    public init(status: String, stage: Int) {
        self.status = status
        self.stage = stage
    }
}

/// The platform's word for whose customer, or whose payment, it is: something that the application left there.
public struct UserReference: Sendable, Equatable {
    /// The application's own id. Checked before it is used.
    public let user: String
    public let customer: String?
    /// The payment, where there is no customer.
    public let payment: String?
    public let statedAt: Timestamp

    public init(user: String, customer: String?, payment: String? = nil, statedAt: Timestamp) {
        self.user = user
        self.customer = customer
        self.payment = payment
        self.statedAt = statedAt
    }
}
