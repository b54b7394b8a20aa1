import Kit

/// Takes out of what passed between this server and a platform what must never be kept: the values of fields that are
/// secret by their name, and every value that is known to be a secret, wherever it stands and however it is written.
struct Redaction: Sendable {
    /// Stands in the place of a secret.
    static let mark = "‹secret›"
    /// Fewer bytes are found everywhere.
    private static let shortest = 6
    /// Text that holds JSON that holds text, and so on.
    private static let deepest = 3
    /// Part of the names under which secrets go everywhere.
    private static let words = [
        "token", "secret", "password", "passphrase", "authorization", "signature", "credential", "cookie", "api_key",
        "apikey", "api-key", "private_key", "assertion", "code_verifier",
    ]
    /// Names that say it in an address or a header only: `code` is also an error's, `key` also an object's.
    private static let shortNames: Set<String> = ["sig", "key", "auth", "code", "hmac", "state"]

    private let names: Set<String>
    /// Each secret as it may be written: as it is, for an address, in JSON, in base64, in hexadecimal.
    private let known: [[UInt8]]

    /// - Parameters:
    ///   - names: of fields under which this platform sends secrets.
    ///   - known: tokens and other secrets that are at hand.
    init(names: [String], known: [Secret]) {
        self.names = Set(names.map { $0.lowercased() })
        let forms = known.flatMap { $0.reveal(Self.forms) }
        // The longest first: of none that is a part of another the rest is left.
        self.known = Set(forms).sorted { $0.count > $1.count }
    }

    private static func forms(of secret: [UInt8]) -> [[UInt8]] {
        guard secret.count >= shortest else { return [] }
        let text = String(decoding: secret, as: UTF8.self)
        let encoded = Array(FormFields.encoded([Field("", text)]).dropFirst())
        let quoted = Array(JSON.string(text).bytes.dropFirst().dropLast())
        let base64 = Base64.encode(secret).filter { $0 != UInt8(ascii: "=") }
        let url = String(decoding: base64, as: UTF8.self).replacing("+", with: "-").replacing("/", with: "_")
        return [
            secret, encoded, lowerDigits(encoded), quoted, Array(text.replacing("/", with: "\\/").utf8), base64,
            Array(url.utf8), Hex.encode(secret),
        ]
    }

    /// `%2A` as `%2a`.
    private static func lowerDigits(_ encoded: [UInt8]) -> [UInt8] {
        var (bytes, left) = (encoded, 0)
        for index in bytes.indices {
            if left > 0, (0x41...0x46).contains(bytes[index]) { bytes[index] += 0x20 }
            left = bytes[index] == UInt8(ascii: "%") ? 2 : max(0, left - 1)
        }
        return bytes
    }

    // MARK: What is asked of it

    /// Whether one of the known secrets stands there all the same.
    func finds(in bytes: [UInt8]) -> Bool { known.contains { bytes.firstRange(of: $0) != nil } }

    func headers(_ headers: [Field]) -> [Field] {
        headers.map { Field($0.name, isSecret($0.name, isShort: true) ? Self.mark : text($0.value)) }
    }

    /// An address with its query. Of a name and a password in front of the host nothing is left.
    func address(_ address: String) -> String {
        guard let start = address.firstRange(of: "://")?.upperBound else { return text(address) }
        let end = address[start...].firstIndex { "/?#".contains($0) } ?? address.endIndex
        let host = address[start..<end].split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        return text(address[..<start] + host + address[end...])
    }

    /// A form: what is secret by its name, and what is known.
    func form(_ fields: FormFields) -> String {
        fields.all.map { field in
            let name = String(decoding: field.name, as: UTF8.self)
            let value = isSecret(name, isShort: true) ? Self.mark : text(String(decoding: field.value, as: UTF8.self))
            let encoded = value.ranges(of: Self.mark).isEmpty
            return encoded
                ? String(decoding: FormFields.encoded([Field(name, value)]), as: UTF8.self) : "\(text(name))=\(value)"
        }.joined(separator: "&")
    }

    func json(_ json: JSON, depth: Int = 0) -> JSON {
        switch json {
        case .object(let members):
            .object(
                members.map { member in
                    JSONMember(
                        text(member.name),
                        isSecret(member.name) ? hidden(member.value) : self.json(member.value, depth: depth))
                })
        case .array(let elements): .array(elements.map { self.json($0, depth: depth) })
        case .string(let text): .string(inner(text, depth: depth))
        case .number(let text): finds(in: Array(text.utf8)) ? .string(Self.mark) : json
        case .null, .bool: json
        }
    }

    /// Whether something is there may be seen.
    private func hidden(_ value: JSON) -> JSON {
        switch value {
        case .null, .bool: value
        case .number, .string, .array, .object: .string(Self.mark)
        }
    }

    /// A text may be JSON itself.
    private func inner(_ text: String, depth: Int) -> String {
        if depth < Self.deepest, text.hasPrefix("{") || text.hasPrefix("["), let held = try? JSON.parse(text) {
            return String(decoding: json(held, depth: depth + 1).bytes, as: UTF8.self)
        }
        return self.text(text)
    }

    // MARK: Text

    /// Known secrets, and `name=value` as addresses have it, where the name says that it is one.
    func text(_ text: some StringProtocol) -> String {
        var bytes = Array(text.utf8)
        for secret in known { bytes = bytes.replacing(secret, with: Array(Self.mark.utf8)) }
        guard bytes.contains(UInt8(ascii: "=")) else { return String(decoding: bytes, as: UTF8.self) }
        var (kept, name, rest) = ([UInt8](), [UInt8](), bytes[...])
        while let byte = rest.popFirst() {
            kept.append(byte)
            guard byte == UInt8(ascii: "=") else {
                if Self.isOfName(byte) { name.append(byte) } else { name = [] }
                continue
            }
            if isSecret(String(decoding: FormFields.decoded(name), as: UTF8.self), isShort: true) {
                kept += Array(Self.mark.utf8)
                rest = rest.drop { !Self.endsValue($0) }
            }
            name = []
        }
        return String(decoding: kept, as: UTF8.self)
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
    private static func endsValue(_ byte: UInt8) -> Bool { byte <= 0x20 || "&;\"'<>#".utf8.contains(byte) }

    private func isSecret(_ name: String, isShort: Bool = false) -> Bool {
        let name = name.lowercased()
        return names.contains(name) || Self.words.contains { name.contains($0) }
            || isShort && Self.shortNames.contains(name)
    }
}
