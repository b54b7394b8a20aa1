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

    /// An object; `content` writes its members.
    public mutating func object(_ content: (inout JSONWriter) throws -> Void) rethrows {
        open(UInt8(ascii: "{"))
        try content(&self)
        close(UInt8(ascii: "}"))
    }

    /// An array; `content` writes its elements.
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

    /// A name and its value.
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

    /// An element, the value of a key, or the whole document.
    public mutating func value(_ value: JSON) {
        switch value {
        case .null: raw("null".utf8)
        case .bool(let bool): raw(bool ? "true".utf8 : "false".utf8)
        case .number(let number): raw(number.utf8)
        case .string(let string):
            separate()
            text(string)
        case .array(let elements): array { writer in for element in elements { writer.value(element) } }
        case .object(let members):
            object { writer in for member in members { writer.member(member.name, member.value) } }
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
        var text = text
        bytes.append(UInt8(ascii: "\""))
        text.withUTF8 { content in
            // Runs without escapes, which is nearly everything, are copied whole.
            var start = 0
            for (index, byte) in content.enumerated()
            where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                bytes.append(contentsOf: content[start..<index])
                bytes.append(contentsOf: Self.escape(byte))
                start = index + 1
            }
            bytes.append(contentsOf: content[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func escape(_ byte: UInt8) -> [UInt8] {
        switch byte {
        case 0x0A: Array(#"\n"#.utf8)
        case 0x0D: Array(#"\r"#.utf8)
        case 0x09: Array(#"\t"#.utf8)
        case ..<0x20: Array(#"\u00"#.utf8) + Hex.encode([byte])
        default: [UInt8(ascii: "\\"), byte]
        }
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
