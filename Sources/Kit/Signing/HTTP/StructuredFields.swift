/// The part of Structured Fields (RFC 9651) that signatures and digests are written in, read strictly.
enum StructuredFields {
    enum Bare: Equatable {
        case integer(Int64)
        case string([UInt8])
        case token([UInt8])
        case bytes([UInt8])
        case boolean(Bool)
    }
    typealias Parameters = [(key: String, value: Bare)]
    struct Item {
        let value: Bare
        let parameters: Parameters
    }
    enum Member {
        case item(Item)
        case list([Item], Parameters)
    }

    /// A header of more members has another purpose than ours.
    private static let most = 32

    /// The members of a dictionary, in order. Nil for what is none, and where a key stands twice: the standard lets the
    /// last win, and then two readers believe two things.
    static func dictionary(_ text: [UInt8]) -> [(key: String, member: Member)]? {
        var reader = Reader(bytes: text)
        reader.skipBlanks()
        var members: [(key: String, member: Member)] = []
        while !reader.isAtEnd {
            guard members.count < most, let key = reader.key(), !members.contains(where: { $0.key == key }),
                let member = reader.member()
            else { return nil }
            members.append((key, member))
            reader.skipBlanks()
            if reader.isAtEnd { return members }
            guard reader.take(",") else { return nil }
            reader.skipBlanks()
            if reader.isAtEnd { return nil }
        }
        return members
    }

    /// The one text of a list with its parameters.
    static func text(of items: [Item], _ parameters: Parameters) -> [UInt8] {
        let inner = items.map { text(of: $0) }.joined(separator: [UInt8(ascii: " ")])
        return [UInt8(ascii: "(")] + inner + [UInt8(ascii: ")")] + text(of: parameters)
    }

    static func text(of item: Item) -> [UInt8] { text(of: item.value) + text(of: item.parameters) }

    private static func text(of parameters: Parameters) -> [UInt8] {
        parameters.flatMap { key, value -> [UInt8] in
            let name = [UInt8(ascii: ";")] + Array(key.utf8)
            return value == .boolean(true) ? name : name + [UInt8(ascii: "=")] + text(of: value)
        }
    }

    static func text(of value: Bare) -> [UInt8] {
        switch value {
        case .integer(let number): Array(String(number).utf8)
        case .string(let text):
            [UInt8(ascii: "\"")]
                + text.flatMap {
                    [UInt8(ascii: "\""), UInt8(ascii: "\\")].contains($0) ? [UInt8(ascii: "\\"), $0] : [$0]
                }
                + [UInt8(ascii: "\"")]
        case .token(let text): text
        case .bytes(let bytes): [UInt8(ascii: ":")] + Base64.encode(bytes) + [UInt8(ascii: ":")]
        case .boolean(let value): Array((value ? "?1" : "?0").utf8)
        }
    }

    /// From left to right.
    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position >= bytes.count }
        var next: UInt8? { position < bytes.count ? bytes[position] : nil }

        mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            guard next == UInt8(ascii: scalar) else { return false }
            position += 1
            return true
        }

        mutating func skipBlanks(tabs: Bool = true) {
            while let byte = next, byte == UInt8(ascii: " ") || tabs && byte == UInt8(ascii: "\t") { position += 1 }
        }

        private mutating func run(_ isMember: (UInt8) -> Bool) -> [UInt8] {
            let start = position
            while let byte = next, isMember(byte) { position += 1 }
            return Array(bytes[start..<position])
        }

        mutating func key() -> String? {
            guard let first = next, first.isLowercaseLetter || first == UInt8(ascii: "*") else { return nil }
            let key = run { byte in
                byte.isLowercaseLetter || byte.isDigit || "_-.*".utf8.contains(byte)
            }
            return String(decoding: key, as: UTF8.self)
        }

        mutating func member() -> Member? {
            guard take("=") else {
                return parameters().map { .item(Item(value: .boolean(true), parameters: $0)) }
            }
            if next != UInt8(ascii: "(") { return item().map(Member.item) }
            return list()
        }

        private mutating func list() -> Member? {
            guard take("(") else { return nil }
            var items: [Item] = []
            while true {
                skipBlanks(tabs: false)
                if take(")") { break }
                guard items.count < StructuredFields.most, let item = item() else { return nil }
                items.append(item)
                guard next == UInt8(ascii: " ") || next == UInt8(ascii: ")") else { return nil }
            }
            return parameters().map { .list(items, $0) }
        }

        private mutating func item() -> Item? {
            guard let value = bare(), let parameters = parameters() else { return nil }
            return Item(value: value, parameters: parameters)
        }

        private mutating func parameters() -> Parameters? {
            var parameters: Parameters = []
            while take(";") {
                skipBlanks(tabs: false)
                guard parameters.count < StructuredFields.most, let key = key(),
                    !parameters.contains(where: { $0.key == key })
                else { return nil }
                guard take("=") else {
                    parameters.append((key, .boolean(true)))
                    continue
                }
                guard let value = bare() else { return nil }
                parameters.append((key, value))
            }
            return parameters
        }

        private mutating func bare() -> Bare? {
            guard let first = next else { return nil }
            switch first {
            case UInt8(ascii: "\""): return string()
            case UInt8(ascii: ":"): return byteSequence()
            case UInt8(ascii: "?"):
                position += 1
                if take("1") { return .boolean(true) }
                return take("0") ? .boolean(false) : nil
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return integer()
            default:
                guard first.isLetter || first == UInt8(ascii: "*") else { return nil }
                return .token(
                    run { byte in byte.isLetter || byte.isDigit || "!#$%&'*+-.^_`|~:/".utf8.contains(byte) })
            }
        }

        private mutating func integer() -> Bare? {
            let sign = take("-") ? "-" : ""
            let digits = run(\.isDigit)
            // Decimals have no place in a signature.
            guard (1...15).contains(digits.count), next != UInt8(ascii: ".") else { return nil }
            return Int64(sign + String(decoding: digits, as: UTF8.self)).map(Bare.integer)
        }

        private mutating func string() -> Bare? {
            guard take("\"") else { return nil }
            var text: [UInt8] = []
            while let byte = next {
                position += 1
                switch byte {
                case UInt8(ascii: "\""): return .string(text)
                case UInt8(ascii: "\\"):
                    guard let escaped = next, [UInt8(ascii: "\""), UInt8(ascii: "\\")].contains(escaped) else {
                        return nil
                    }
                    position += 1
                    text.append(escaped)
                case 0x20...0x7E: text.append(byte)
                default: return nil
                }
            }
            return nil
        }

        private mutating func byteSequence() -> Bare? {
            guard take(":") else { return nil }
            let digits = run { $0 != UInt8(ascii: ":") }
            guard take(":") else { return nil }
            return Base64.decode(digits).map(Bare.bytes)
        }
    }
}

extension UInt8 {
    var isLowercaseLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
    var isLetter: Bool { asciiLowercased.isLowercaseLetter }
}
