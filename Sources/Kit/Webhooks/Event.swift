import Crypto

/// A fact, as read from a delivery that is believed. The bytes stay where they are: in the delivery.
public struct Event: Sendable, Equatable {
    /// The same for the same fact, however often and in whatever company it is delivered.
    public let identity: EventIdentity
    /// The platform's own id, where it gives one. Bounded (`OutsideText`).
    public let providerEventID: String?
    /// The platform's own word: `invoice.paid`. Bounded.
    public let type: String
    /// The account at the platform that it happened in, where the delivery names one. Bounded.
    public let account: String?
    /// Whose fact it is at the platform, such as the Stripe customer: events of one subject share a lane. Bounded.
    public let subject: String?
    /// When it happened, by the platform's clock.
    public let occurredAt: Timestamp?
    /// The platform says that it is not real: its test mode.
    public let isTest: Bool
    /// Which bytes of the delivery's body are this fact.
    public let body: Range<Int>

    public init(
        identity: EventIdentity, providerEventID: String? = nil, type: String, account: String? = nil,
        subject: String? = nil, occurredAt: Timestamp? = nil, isTest: Bool = false, body: Range<Int>
    ) {
        self.identity = identity
        self.providerEventID = providerEventID.map { OutsideText.bounded($0) }
        self.type = OutsideText.bounded(type)
        self.account = account.map { OutsideText.bounded($0) }
        self.subject = subject.map { OutsideText.bounded($0) }
        self.occurredAt = occurredAt
        self.isTest = isTest
        self.body = body
    }
}

/// What makes a repeated delivery a repetition. Unique within the owner of the secret that proved it.
public struct EventIdentity: Sendable, Hashable {
    /// Days since 1970 of the platform's own signed time of the fact, the same in every repetition; 0 where it
    /// sends none. Retention deletes by it.
    public let day: Int64
    /// 16 bytes: the beginning of the SHA-256 of what names the fact.
    public let hash: [UInt8]

    /// Of several parts, each with its length, so that no two lists of parts make one name.
    public init(day: Int64, ofParts parts: [[UInt8]]) {
        self.init(day: day, of: parts.flatMap { Array("\($0.count):".utf8) + $0 })
    }

    /// Hashes bytes, never text: two ids that look alike are two ids.
    public init(day: Int64, of name: some Sequence<UInt8>) {
        self.day = day
        hash = Array(SHA256.hash(data: Array(name)).prefix(16))
    }
}

/// A verified delivery whose content is not what the platform documents. It is answered well and goes to a person.
public struct Unreadable: Error, Sendable, Equatable {
    /// What is wrong with it, for the person; without the content.
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}
