extension JSON: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral text: String) { self = .string(text) }
    public init(integerLiteral value: Int64) { self = .number(String(value)) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSON: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// In the order written.
    public init(dictionaryLiteral members: (String, JSON)...) { self = .object(members.map(JSONMember.init)) }
}

/// Nil becomes `null`.
extension JSON {
    public init(_ text: String?) { self = text.map(JSON.string) ?? .null }
    public init(_ integer: (some BinaryInteger)?) { self = integer.map { .number(String($0)) } ?? .null }
    public init(_ bool: Bool?) { self = bool.map(JSON.bool) ?? .null }
    /// As RFC 3339 with six digits.
    public init(_ moment: Timestamp?) { self = moment.map { .string($0.rfc3339) } ?? .null }
    public init(_ id: ID<some Identified>?) { self = id.map { .string($0.text) } ?? .null }
}
