/// What an `application/x-www-form-urlencoded` body or a query holds, as bytes and in order. What is not
/// percent-encoded properly stands for itself.
public struct FormFields: Sendable {
    /// Forms of platforms have some dozen.
    public static let most = 2000

    public let all: [(name: [UInt8], value: [UInt8])]

    /// Nil for more than `most`.
    public init?(_ bytes: some Collection<UInt8>) {
        var all: [(name: [UInt8], value: [UInt8])] = []
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let piece = rest.prefix { $0 != UInt8(ascii: "&") }
            rest = rest.dropFirst(piece.count + 1)
            guard !piece.isEmpty else { continue }
            guard all.count < Self.most else { return nil }
            let name = piece.prefix { $0 != UInt8(ascii: "=") }
            all.append((Self.decoded(name), Self.decoded(piece.dropFirst(name.count + 1))))
        }
        self.all = all
    }

    /// Of a request's target: what follows the first question mark.
    public init?(queryOf target: String) {
        self.init(target.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst())
    }

    /// All values under a name, in order.
    public func values(of name: String) -> [[UInt8]] {
        all.compactMap { $0.name.elementsEqual(name.utf8) ? $0.value : nil }
    }

    /// The one value under a name, as text; nil where there is none or several.
    public func text(_ name: String) -> String? {
        let values = values(of: name)
        return values.count == 1 ? values.first.map { String(decoding: $0, as: UTF8.self) } : nil
    }

    /// Percent and plus undone.
    public static func decoded(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = Array(bytes)[...]
        while let byte = rest.first {
            rest = rest.dropFirst()
            switch byte {
            case UInt8(ascii: "+"): decoded.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                if rest.count >= 2, let high = rest.first?.hexDigit, let low = rest.dropFirst().first?.hexDigit {
                    decoded.append(high << 4 | low)
                    rest = rest.dropFirst(2)
                } else {
                    decoded.append(byte)
                }
            default: decoded.append(byte)
            }
        }
        return decoded
    }

    /// A form's text: everything but letters, digits and `-._~` encoded, blanks as plus.
    public static func encoded(_ fields: [Field]) -> [UInt8] {
        fields.map { encoded($0.name.utf8) + [UInt8(ascii: "=")] + encoded($0.value.utf8) }
            .reduce(into: []) { all, field in all += (all.isEmpty ? [] : [UInt8(ascii: "&")]) + field }
    }

    private static func encoded(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        bytes.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: " "): [UInt8(ascii: "+")]
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                [byte]
            default: [UInt8(ascii: "%")] + Hex.encode([byte]).map(\.asciiUppercased)
            }
        }
    }
}
