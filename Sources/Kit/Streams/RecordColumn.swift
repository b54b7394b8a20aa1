/// A column of a stream's table: what it is called, what it holds, and where the platform's answer says it.
public struct RecordColumn: Sendable {
    /// What a column holds.
    public enum Kind: Sendable, Equatable {
        case text, integer, real, boolean
        case time(TimeForm)
        /// The platform's own JSON, as text.
        case json
        /// Two columns: the amount in the currency's smallest unit, and the currency under the same name with
        /// `_currency` behind it.
        case money
    }

    /// How a platform writes times.
    public enum TimeForm: Sendable, Equatable { case seconds, milliseconds, rfc3339 }

    public let name: String
    public let kind: Kind
    /// Members down to the value, in the platform's object.
    public let path: [String]
    /// What it was called before: a table that has only the old name is told to be migrated.
    public private(set) var oldName: String?
    public private(set) var isIndexed = false
    /// A counter: it moves by itself, and each of its steps is kept.
    public private(set) var isMetric = false
    /// Differs with every answer although nothing has changed, such as a signed link: not a difference.
    public private(set) var isVolatile = false
    private let read: (@Sendable (JSON) -> RecordValue?)?

    /// - Parameters:
    ///   - path: the member of the same name unless said.
    ///   - read: makes the value of what stands there, where its kind alone does not say how; nil when it is unfit.
    public init(
        _ name: String, _ kind: Kind, from path: [String]? = nil,
        read: (@Sendable (JSON) -> RecordValue?)? = nil
    ) {
        precondition(Self.isIdentifier(name), "a column is named by lower-case letters, digits and _")
        precondition(kind != .money || read != nil, "money has no form that all platforms share: say how to read it")
        self.name = name
        self.kind = kind
        self.path = path ?? [name]
        self.read = read
    }

    public var indexed: Self {
        var copy = self
        copy.isIndexed = true
        return copy
    }
    public var counted: Self {
        var copy = self
        copy.isMetric = true
        return copy
    }
    public var passing: Self {
        var copy = self
        copy.isVolatile = true
        return copy
    }
    public func wasCalled(_ name: String) -> Self {
        var copy = self
        copy.oldName = name
        return copy
    }

    /// The columns in the table.
    public var storedNames: [String] { kind == .money ? [name, name + "_currency"] : [name] }

    /// What an object says of this column; nil where it says nothing, which leaves what is known as it is.
    func value(in object: JSON) throws(Unreadable) -> RecordValue? {
        var found = object
        for member in path {
            guard let next = found[member] else { return nil }
            found = next
        }
        if found.isNull { return .null }
        guard let value = read.map({ $0(found) }) ?? usual(found) else { throw Unreadable("\(name) is not \(words).") }
        return value
    }

    private func usual(_ value: JSON) -> RecordValue? {
        switch kind {
        // Numbers stay as they are written: ids have more digits than a double holds.
        case .text: (value.text ?? value.numberText).map { .text(OutsideText.bounded($0, RecordValue.textMax)) }
        case .integer: (value.integer ?? value.text.flatMap { Int64($0) }).map(RecordValue.integer)
        case .real: (value.numberText ?? value.text).flatMap(Double.init).flatMap { $0.isFinite ? .real($0) : nil }
        case .boolean: value.boolean.map(RecordValue.boolean)
        case .time(let form): form.read(value).map(RecordValue.time)
        case .json:
            value.bytes.count > RecordValue.textMax
                ? nil : .text(OutsideText.bounded(value.bytes, RecordValue.textMax))
        case .money: nil
        }
    }

    private var words: String {
        switch kind {
        case .text: "a text"
        case .integer: "a whole number"
        case .real: "a number"
        case .boolean: "true or false"
        case .time: "a time"
        case .json: "JSON of at most \(RecordValue.textMax) bytes"
        case .money: "an amount"
        }
    }

    /// Fit to stand in SQL: only what our own declarations name goes there.
    static func isIdentifier(_ name: String) -> Bool {
        guard let first = name.utf8.first, (0x61...0x7A).contains(first), name.utf8.count <= 60 else { return false }
        return name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    }
}

extension RecordColumn.TimeForm {
    func read(_ value: JSON) -> Timestamp? {
        switch self {
        case .seconds: value.integer.map(Timestamp.init(seconds:))
        case .milliseconds: value.integer.map(Timestamp.init(milliseconds:))
        case .rfc3339: value.text.flatMap(Timestamp.init(rfc3339:))
        }
    }
}

/// A value of a row.
public enum RecordValue: Sendable, Equatable {
    /// The platform says that there is none.
    case null
    case text(String)
    case integer(Int64)
    case real(Double)
    case boolean(Bool)
    case time(Timestamp)
    case money(Money)

    /// Of a text or of JSON, in bytes: longer texts are cut, longer JSON is not taken.
    public static let textMax = 65_536
}
