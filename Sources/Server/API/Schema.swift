public import Kit

/// The shape of a JSON value, said once: requests are checked by it, the OpenAPI document is written from it, and the
/// tests hold every answer to it.
public struct Schema: Sendable {
    public indirect enum Kind: Sendable {
        case text(Text)
        /// One of these words.
        case words([String])
        case integer(ClosedRange<Int64>)
        case boolean
        case array(of: Schema, count: ClosedRange<Int>)
        /// Unknown members are refused in requests.
        case object([Property])
        /// Any names, all values alike; at most so many.
        case map(of: Schema, most: Int)
        /// Any JSON.
        case anything
        /// Stands once in the document, by its name.
        case named(String, Schema)
    }

    /// A text with a form.
    public struct Text: Sendable {
        /// In Unicode scalars, as JSON Schema counts.
        let count: ClosedRange<Int>
        let format: String?
        /// For readers; `fits` decides.
        let pattern: String?
        let fits: @Sendable (String) -> Bool
        /// Completes "must be …".
        let expected: String
    }

    let kind: Kind
    private(set) var isNullable = false
    private(set) var example: JSON?

    init(_ kind: Kind) { self.kind = kind }

    /// Null, too.
    public var orNull: Schema {
        var copy = self
        copy.isNullable = true
        return copy
    }
    func example(_ example: JSON) -> Schema {
        var copy = self
        copy.example = example
        return copy
    }
}

/// A member of an object.
public struct Property: Sendable {
    let name: String
    let schema: Schema
    let isRequired: Bool
    let what: String

    public static func required(_ name: String, _ schema: Schema, _ what: String) -> Property {
        Property(name: name, schema: schema, isRequired: true, what: what)
    }
    public static func optional(_ name: String, _ schema: Schema, _ what: String) -> Property {
        Property(name: name, schema: schema, isRequired: false, what: what)
    }
}

extension Schema {
    public static func object(_ properties: [Property]) -> Schema { Schema(.object(properties)) }
    public static func named(_ name: String, _ schema: Schema) -> Schema { Schema(.named(name, schema)) }
    public static func array(of element: Schema, _ count: ClosedRange<Int> = 0...Int.max) -> Schema {
        Schema(.array(of: element, count: count))
    }
    public static func map(of value: Schema, most: Int) -> Schema { Schema(.map(of: value, most: most)) }
    public static let anything = Schema(.anything)
    public static let boolean = Schema(.boolean)
    public static func integer(_ range: ClosedRange<Int64> = Int64.min...Int64.max) -> Schema {
        Schema(.integer(range))
    }
    public static func words(_ words: [String]) -> Schema { Schema(.words(words)) }

    /// Any text of ours, in answers.
    public static func text(format: String? = nil) -> Schema {
        Schema(.text(Text(count: 0...Int.max, format: format, pattern: nil, fits: { _ in true }, expected: "a text")))
    }
    /// A text from outside: without control characters, which neither database nor log should hold.
    public static func line(_ count: ClosedRange<Int> = 1...256) -> Schema {
        Schema(
            .text(
                Text(
                    count: count, format: nil, pattern: #"^[^\u0000-\u001f\u007f]*$"#,
                    fits: { $0.unicodeScalars.allSatisfy { $0.value > 0x1F && $0.value != 0x7F } },
                    expected: "a text without control characters")))
    }
    /// The same with line ends.
    public static func lines(_ count: ClosedRange<Int>) -> Schema {
        Schema(
            .text(
                Text(
                    count: count, format: nil, pattern: #"^[^\u0000]*$"#, fits: { !$0.utf8.contains(0) },
                    expected: "a text without U+0000")))
    }
    public static let time = Schema(
        .text(
            Text(
                count: 0...64, format: "date-time", pattern: nil, fits: { Timestamp(rfc3339: $0) != nil },
                expected: "a time such as 2026-11-28T10:15:00Z"))
    )
    .example("2026-11-28T10:15:00.000000Z")
    public static func id<Kind: Identified & SendableMetatype>(_ kind: Kind.Type) -> Schema {
        Schema(
            .text(
                Text(
                    count: 0...40, format: nil, pattern: "^\(Kind.idPrefix)_[0-9a-hjkmnp-tv-z]{26}$",
                    fits: { ID<Kind>($0) != nil }, expected: "an id that begins with \(Kind.idPrefix)_"))
        )
        .example(.string("\(Kind.idPrefix)_01kb2c3d4e5f6g7h8j9k0m1n2p"))
    }
    /// A word of lower-case letters, digits, `-`, `_`, `.` and `:`.
    public static func slug(_ count: ClosedRange<Int> = 1...64) -> Schema {
        Schema(
            .text(
                Text(
                    count: count, format: nil, pattern: "^[a-z0-9_.:-]+$",
                    fits: {
                        $0.utf8.allSatisfy {
                            (0x61...0x7A).contains($0) || (0x30...0x3A).contains($0) || [0x2D, 0x2E, 0x5F].contains($0)
                        }
                    },
                    expected: "a word of lower-case letters, digits and _ . : -")))
    }
    static func form(
        _ count: ClosedRange<Int>, pattern: String?, format: String? = nil, _ expected: String,
        _ fits: @escaping @Sendable (String) -> Bool
    ) -> Schema {
        Schema(.text(Text(count: count, format: format, pattern: pattern, fits: fits, expected: expected)))
    }
}
