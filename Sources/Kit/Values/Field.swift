/// A name and a value: a header, a query parameter, a form field.
public struct Field: Sendable, Hashable {
    public let name: String
    public let value: String
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

extension [Field] {
    /// Every value under a header's name; names compare as ASCII bytes without case.
    public func values(of name: String) -> [String] {
        compactMap { $0.name.isSameHeader(as: name) ? $0.value : nil }
    }
    /// The first value under a header's name.
    public subscript(name: String) -> String? { first { $0.name.isSameHeader(as: name) }?.value }
}

extension String {
    func isSameHeader(as other: String) -> Bool {
        utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.asciiLowercased == $1.asciiLowercased }
    }
}

extension UInt8 {
    var asciiLowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }
    var asciiUppercased: UInt8 { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) ? self & 0xDF : self }
}
