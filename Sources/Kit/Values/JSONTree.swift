extension JSONReader {
    /// Reads a value of any kind into a tree.
    mutating func tree(depth: Int) throws(JSON.Problem) -> JSON {
        switch next {
        case UInt8(ascii: "\""):
            return .string(try string().decoded(from: bytes))
        case UInt8(ascii: "{"):
            var list: [JSONMember] = []
            try members(depth) { reader, name throws(JSON.Problem) in
                list.append(JSONMember(name.decoded(from: reader.bytes), try reader.tree(depth: depth + 1)))
            }
            return .object(list)
        case UInt8(ascii: "["):
            var list: [JSON] = []
            try elements(depth) { reader throws(JSON.Problem) in list.append(try reader.tree(depth: depth + 1)) }
            return .array(list)
        default:
            return try scalarValue()
        }
    }

    private mutating func scalarValue() throws(JSON.Problem) -> JSON {
        let start = position
        try scalar()
        return switch bytes[start] {
        case UInt8(ascii: "t"): .bool(true)
        case UInt8(ascii: "f"): .bool(false)
        case UInt8(ascii: "n"): .null
        default: .number(String(decoding: bytes[start..<position], as: UTF8.self))
        }
    }
}
