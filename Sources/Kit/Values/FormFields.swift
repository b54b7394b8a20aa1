/// What an `application/x-www-form-urlencoded` body or a query holds, as bytes and in order. What is not
/// percent-encoded properly stands for itself.
public struct FormFields: Sendable {
    /// Forms of platforms have some dozen.
    public static let most = 2000

    public let all: [(name: [UInt8], value: [UInt8])]

    /// Nil for more than `most`.
    public init?(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        let all = bytes.withUnsafeBufferPointer { bytes -> [(name: [UInt8], value: [UInt8])]? in
            var all: [(name: [UInt8], value: [UInt8])] = []
            var start = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.count
                defer { start = end + 1 }
                guard end > start else { continue }
                guard all.count < Self.most else { return nil }
                let equals = bytes[start..<end].firstIndex(of: UInt8(ascii: "="))
                all.append(
                    (
                        Self.decoded(UnsafeBufferPointer(rebasing: bytes[start..<(equals ?? end)])),
                        Self.decoded(UnsafeBufferPointer(rebasing: bytes[(equals.map { $0 + 1 } ?? end)..<end]))
                    ))
            }
            return all
        }
        guard let all else { return nil }
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
    static func decoded(_ bytes: some Collection<UInt8>) -> [UInt8] {
        Array(bytes).withUnsafeBufferPointer { decoded($0) }
    }

    private static func decoded(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: bytes.count) { decoded, count in
            var index = 0
            while index < bytes.count {
                var byte = bytes[index]
                index += 1
                if byte == UInt8(ascii: "+") {
                    byte = UInt8(ascii: " ")
                } else if byte == UInt8(ascii: "%"), index + 1 < bytes.count, let high = bytes[index].hexDigit,
                    let low = bytes[index + 1].hexDigit
                {
                    byte = high << 4 | low
                    index += 2
                }
                decoded[count] = byte
                count += 1
            }
        }
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
