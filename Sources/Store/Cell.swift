public import Kit

/// A value in a table, as both engines know it. Times and booleans are integers.
public enum Cell: Sendable, Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

/// What can be bound to a statement.
public protocol Storable: Sendable {
    var cell: Cell { get }
}

extension Cell: Storable { public var cell: Cell { self } }
extension String: Storable { public var cell: Cell { .text(self) } }
extension Int64: Storable { public var cell: Cell { .integer(self) } }
extension Int: Storable { public var cell: Cell { .integer(Int64(self)) } }
extension Bool: Storable { public var cell: Cell { .integer(self ? 1 : 0) } }
extension Double: Storable { public var cell: Cell { .real(self) } }
extension [UInt8]: Storable { public var cell: Cell { .blob(self) } }
extension Timestamp: Storable { public var cell: Cell { .integer(microseconds) } }
extension ID: Storable { public var cell: Cell { .text(text) } }
extension Optional: Storable where Wrapped: Storable {
    public var cell: Cell { self?.cell ?? .null }
}

/// One row of a result, read in the order of its columns.
///
/// Positions are checked: a wrong type or a row that is too short throws `UnreadableRow`, it does not trap.
public struct Row {
    private let cells: [Cell]
    private var position = 0
    /// What opens sealed bodies; nil for a row that has none.
    let transaction: Transaction?

    public init(_ cells: [Cell]) { self.init(cells, in: nil) }
    init(_ cells: [Cell], in transaction: Transaction?) {
        self.cells = cells
        self.transaction = transaction
    }

    public mutating func cell() throws(UnreadableRow) -> Cell {
        guard position < cells.count else { throw UnreadableRow(position: position, expected: "a column") }
        position += 1
        return cells[position - 1]
    }
    public mutating func text() throws(UnreadableRow) -> String {
        guard let text = try optionalText() else { throw UnreadableRow(position: position - 1, expected: "text") }
        return text
    }
    public mutating func optionalText() throws(UnreadableRow) -> String? {
        switch try cell() {
        case .null: return nil
        case .text(let text): return text
        default: throw UnreadableRow(position: position - 1, expected: "text")
        }
    }
    public mutating func integer() throws(UnreadableRow) -> Int64 {
        guard let integer = try optionalInteger() else {
            throw UnreadableRow(position: position - 1, expected: "an integer")
        }
        return integer
    }
    public mutating func optionalInteger() throws(UnreadableRow) -> Int64? {
        switch try cell() {
        case .null: return nil
        case .integer(let integer): return integer
        default: throw UnreadableRow(position: position - 1, expected: "an integer")
        }
    }
    public mutating func boolean() throws(UnreadableRow) -> Bool { try integer() != 0 }
    public mutating func blob() throws(UnreadableRow) -> [UInt8] {
        guard let blob = try optionalBlob() else { throw UnreadableRow(position: position - 1, expected: "bytes") }
        return blob
    }
    public mutating func optionalBlob() throws(UnreadableRow) -> [UInt8]? {
        switch try cell() {
        case .null: return nil
        case .blob(let blob): return blob
        default: throw UnreadableRow(position: position - 1, expected: "bytes")
        }
    }
    public mutating func time() throws(UnreadableRow) -> Timestamp { Timestamp(microseconds: try integer()) }
    public mutating func optionalTime() throws(UnreadableRow) -> Timestamp? {
        try optionalInteger().map(Timestamp.init(microseconds:))
    }
    public mutating func id<Kind>(_ kind: Kind.Type = Kind.self) throws(UnreadableRow) -> ID<Kind> {
        ID(stored: try text())
    }
    public mutating func optionalID<Kind>(_ kind: Kind.Type = Kind.self) throws(UnreadableRow) -> ID<Kind>? {
        try optionalText().map { ID(stored: $0) }
    }
}

/// A row that does not have the shape that its reader expects: our own mistake, or another program wrote it.
public struct UnreadableRow: Error, Equatable, CustomStringConvertible {
    public let position: Int
    public let expected: String
    public var description: String { "column \(position + 1): \(expected) expected" }
}
