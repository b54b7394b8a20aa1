/// A set of event types, some by their beginning: `["invoice.paid", "customer.subscription.*"]`.
public struct EventTypes: Sendable, Equatable, ExpressibleByArrayLiteral {
    private let exact: [[UInt8]]
    private let beginnings: [[UInt8]]

    /// A name that ends in `*` stands for every type that begins so.
    public init(_ names: [String]) {
        let star = UInt8(ascii: "*")
        exact = names.filter { $0.utf8.last != star }.map { Array($0.utf8) }
        beginnings = names.filter { $0.utf8.last == star }.map { Array($0.utf8.dropLast()) }
    }
    public init(arrayLiteral names: String...) { self.init(names) }

    /// Every type there is.
    public static let all: Self = ["*"]
    /// Nothing is acted upon.
    public static let none: Self = []

    /// Compares bytes.
    public func contains(_ type: String) -> Bool {
        exact.contains { $0.count == type.utf8.count && type.utf8.elementsEqual($0) }
            || beginnings.contains { type.utf8.starts(with: $0) }
    }
}
