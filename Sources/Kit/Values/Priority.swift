/// How urgent a piece of work is, most urgent first. Ageing lifts waiting work within its class, never above
/// `urgent` and `person`.
public enum Priority: Int, Sendable, Comparable, CaseIterable {
    /// A package, a capture, a refund: money or goods wait.
    case urgent
    /// Someone looks at a screen and waits.
    case person
    /// What a webhook asked for.
    case event
    case publishing
    case sync
    case analytics

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension Priority {
    /// The word in tables, API and metrics.
    public var name: String { "\(self)" }
    public init?(name: String) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}
