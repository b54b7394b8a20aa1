/// A JSON value that loses nothing that matters: numbers keep their text, objects their order and their
/// duplicate names.
///
///     let body = try JSON.parse(delivery.body)
///     body["data", "object", "customer"]?.text
///
/// Policy, the same for every reader here: UTF-8 only, no byte order mark, at most 200 levels. Of duplicate names
/// the *last* counts. An escape of half a surrogate pair, which no Swift string can hold, reads as U+FFFD.
public enum JSON: Sendable {
    case null
    case bool(Bool)
    /// As written: `1.10`, `1e400`.
    case number(String)
    case string(String)
    case array([JSON])
    case object([JSONMember])

    /// Deeper documents are refused, so that no stack overflows.
    public static let deepest = 200
}

/// A name and its value in an object.
public struct JSONMember: Sendable, Equatable {
    public let name: String
    public let value: JSON

    public init(_ name: String, _ value: JSON) {
        self.name = name
        self.value = value
    }
    public static func == (left: Self, right: Self) -> Bool {
        left.name.hasSameBytes(as: right.name) && left.value == right.value
    }
}

extension JSON: Equatable {
    /// Bytes count: "é" in one character and "é" in two are different, and so are `1.0` and `1`.
    public static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)), (.string(let left), .string(let right)):
            left.hasSameBytes(as: right)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        case (.null, _), (.bool, _), (.number, _), (.string, _), (.array, _), (.object, _): false
        }
    }
}

extension JSON {
    /// Reads a whole document.
    /// - Throws: where and why it is not JSON.
    public static func parse(_ bytes: [UInt8]) throws(Problem) -> JSON {
        try bytes.withUnsafeBufferPointer { buffer throws(Problem) in try parse(buffer) }
    }
    /// Reads a whole document that lies in somebody else's memory, such as a range of a delivery's body.
    public static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(Problem) -> JSON {
        var reader = JSONReader(bytes)
        return try reader.document { reader throws(Problem) in try reader.tree(depth: 0) }
    }
    /// Reads a text.
    public static func parse(_ text: String) throws(Problem) -> JSON { try parse(Array(text.utf8)) }

    /// Why bytes are not JSON.
    public struct Problem: Error, Sendable, Equatable {
        /// Where, counted in bytes from 0.
        public let offset: Int
        let cause: Cause
        /// For a person; without the content.
        public var sentence: String { "Not JSON at byte \(offset): \(cause.rawValue)." }
    }

    enum Cause: String, Sendable {
        case end = "it ends too early"
        case more = "something follows the end"
        case byteOrderMark = "it begins with a byte order mark"
        case value = "a value should stand here"
        case word = "only true, false and null are words"
        case number = "the number is not written as JSON wants it"
        case name = "a name in quotes should stand here"
        case colon = "a colon should stand here"
        case comma = "a comma or the end of the list should stand here"
        case control = "a control character stands in a text"
        case escape = "no such escape"
        case utf8 = "the text is not UTF-8"
        case depth = "it is more than 200 levels deep"
    }
}

extension JSON {
    /// What stands under a path of names; nil where a name is missing or what holds it is no object.
    public subscript(_ path: String...) -> JSON? {
        var value = self
        for name in path {
            guard let next = value.members?.last(where: { $0.name.hasSameBytes(as: name) })?.value else { return nil }
            value = next
        }
        return value
    }

    /// The text of a string; nil for every other kind, numbers included.
    public var text: String? { if case .string(let text) = self { text } else { nil } }
    /// Exact: nil for `1.0`, `1e2` and what 64 bits cannot hold.
    public var integer: Int64? { if case .number(let text) = self { Int64(text) } else { nil } }
    /// The text of a number, as written.
    public var numberText: String? { if case .number(let text) = self { text } else { nil } }
    /// Of `true` and `false` only.
    public var boolean: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    /// Of an array.
    public var elements: [JSON]? { if case .array(let elements) = self { elements } else { nil } }
    /// Of an object, in order, duplicates included.
    public var members: [JSONMember]? { if case .object(let members) = self { members } else { nil } }
    /// The word `null`; what is missing is nil in Swift.
    public var isNull: Bool { if case .null = self { true } else { false } }
}

extension String {
    /// Whether both are the same bytes; `==` would ask whether they look the same.
    public func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}
