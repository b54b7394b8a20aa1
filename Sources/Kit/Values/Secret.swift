/// Bytes that authenticate something. Cannot be printed, logged or encoded by accident: every way to text
/// gives `‹secret›`, and there is no `Codable`. Only `reveal` shows the bytes, for the call that needs them.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public init(_ text: String) { bytes = Array(text.utf8) }

    public var isEmpty: Bool { bytes.isEmpty }
    public var count: Int { bytes.count }

    public func reveal<Result, Problem: Error>(_ use: ([UInt8]) throws(Problem) -> Result) throws(Problem) -> Result {
        try use(bytes)
    }

    public var description: String { "‹secret›" }
    public var debugDescription: String { "‹secret›" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Compares in time that depends on the lengths only.
    public static func == (left: Self, right: Self) -> Bool { constantTimeEqual(left.bytes, right.bytes) }
}

/// Something about a person: an e-mail address, a name, an address. Prints as `‹personal›` everywhere but
/// where the owner is meant to see it, through `reveal`.
public struct Personal: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    public init(_ text: String) { self.text = text }

    public func reveal<Result, Problem: Error>(_ use: (String) throws(Problem) -> Result) throws(Problem) -> Result {
        try use(text)
    }

    public var description: String { "‹personal›" }
    public var debugDescription: String { "‹personal›" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Whether two byte strings are equal, in time that depends on their lengths and not on where they differ.
public func constantTimeEqual(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(into: UInt8(0)) { difference, pair in difference |= pair.0 ^ pair.1 } == 0
}
