/// SQL with its values apart. A literal is SQL; whatever is interpolated is a bound value, never text.
///
///     let sql: SQL = "SELECT id FROM jobs WHERE lane = \(lane) AND due_at <= \(now)"
///
/// Fragments may be spliced, with their values: placeholders are numbered when the text is made.
public struct SQL: Sendable, Equatable, ExpressibleByStringInterpolation {
    /// Text between values: always one more than there are values.
    private(set) var pieces: [String]
    public private(set) var values: [Cell]

    public init(stringLiteral text: String) {
        pieces = [text]
        values = []
    }
    public init(stringInterpolation parts: Interpolation) { self = parts.sql }
    init(pieces: [String], values: [Cell]) {
        self.pieces = pieces
        self.values = values
    }

    /// The text with placeholders: `?1` for SQLite, where `$1` would be a name, `$1` for PostgreSQL.
    public func text(placeholder: String) -> String {
        var text = pieces[pieces.startIndex]
        for (number, piece) in pieces.dropFirst().enumerated() {
            text += placeholder
            text += String(number + 1)
            text += piece
        }
        return text
    }

    public static func + (left: SQL, right: SQL) -> SQL {
        var parts = Interpolation(literalCapacity: 0, interpolationCount: 0)
        parts.appendInterpolation(left)
        parts.appendInterpolation(right)
        return parts.sql
    }

    /// `(v, v), (v, v)`: rows for VALUES. `casts` are spliced around the values of the first row, for PostgreSQL,
    /// which takes parameters met only in VALUES for text.
    public static func rows(_ rows: [[Cell]], casts: [String] = []) -> SQL {
        joined(
            rows.enumerated().map { index, row in
                let cells = row.enumerated().map { column, cell -> SQL in
                    let value = SQL(pieces: ["", ""], values: [cell])
                    guard index == 0, column < casts.count else { return value }
                    return "CAST(" + value + SQL(stringLiteral: " AS \(casts[column]))")
                }
                return "(" + joined(cells, by: ", ") + ")"
            }, by: ", ")
    }

    /// A bound list for IN: `v, v, v`.
    public static func list(_ values: [some Storable]) -> SQL {
        joined(values.map { SQL(pieces: ["", ""], values: [$0.cell]) }, by: ", ")
    }

    public static func joined(_ fragments: [SQL], by separator: String) -> SQL {
        var parts = Interpolation(literalCapacity: 0, interpolationCount: 0)
        for (index, fragment) in fragments.enumerated() {
            if index > 0 { parts.appendLiteral(separator) }
            parts.appendInterpolation(fragment)
        }
        return parts.sql
    }

    public struct Interpolation: StringInterpolationProtocol {
        var sql = SQL(pieces: [""], values: [])
        public init(literalCapacity: Int, interpolationCount: Int) {}
        public mutating func appendLiteral(_ literal: String) { sql.pieces[sql.pieces.count - 1] += literal }
        public mutating func appendInterpolation(_ value: some Storable) {
            sql.values.append(value.cell)
            sql.pieces.append("")
        }
        public mutating func appendInterpolation<Value: Storable>(_ value: Value?) {
            sql.values.append(value?.cell ?? .null)
            sql.pieces.append("")
        }
        /// A fragment written by us; its values come along.
        public mutating func appendInterpolation(_ fragment: SQL) {
            sql.pieces[sql.pieces.count - 1] += fragment.pieces[fragment.pieces.startIndex]
            sql.pieces += fragment.pieces.dropFirst()
            sql.values += fragment.values
        }
    }
}
