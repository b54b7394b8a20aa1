/// An amount in the currency's smallest unit, and the currency in upper-case ISO 4217.
public struct Money: Sendable, Hashable {
    public let minor: Int64
    public let currency: String
    public init(minor: Int64, currency: String) {
        self.minor = minor
        self.currency = currency
    }
}
