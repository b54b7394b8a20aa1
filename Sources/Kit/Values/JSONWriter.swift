/// Writes JSON into bytes, with commas where they belong, and takes finished JSON in as it is.
///
///     var writer = JSONWriter()
///     writer.object { writer in
///         writer.member("id", .string(id.text))
///         writer.member("payload", raw: body[event.body])
///         writer.key("attempts")
///         writer.array { writer in for attempt in attempts { attempt.write(to: &writer) } }
///     }
public struct JSONWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// - Parameter capacity: bytes to reserve, where the size is known.
    public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    public mutating func object(_ content: (inout JSONWriter) throws -> Void) rethrows {
        open(UInt8(ascii: "{"))
        try content(&self)
        close(UInt8(ascii: "}"))
    }

    public mutating func array(_ content: (inout JSONWriter) throws -> Void) rethrows {
        open(UInt8(ascii: "["))
        try content(&self)
        close(UInt8(ascii: "]"))
    }

    /// The name of a member; its value must follow.
    public mutating func key(_ name: String) {
        separate()
        text(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func member(_ name: String, _ value: JSON) {
        key(name)
        self.value(value)
    }

    /// A member whose value is JSON already. It is not checked: the caller vouches for it.
    public mutating func member(_ name: String, raw json: some Collection<UInt8>) {
        key(name)
        raw(json)
    }

    /// A value that is JSON already: byte for byte as it is, unchecked.
    public mutating func raw(_ json: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }

    public mutating func value(_ value: JSON) {
        switch value {
        case .null: raw("null".utf8)
        case .bool(let bool): raw(bool ? "true".utf8 : "false".utf8)
        case .number(let number): raw(number.utf8)
        case .string(let string):
            separate()
            text(string)
        case .array(let elements): array { writer in for element in elements { writer.value(element) } }
        case .object(let members): object { writer in for member in members { writer.member(member.name, member.value) } }
        }
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }
    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }
    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func text(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes += #"\n"#.utf8
            case 0x0D: bytes += #"\r"#.utf8
            case 0x09: bytes += #"\t"#.utf8
            case ..<0x20: bytes += Array(#"\u00"#.utf8) + Hex.encode([byte])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension JSON {
    /// Compact, in the order of the members.
    public var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }
}
