import Crypto
import CryptoExtras
public import Kit

/// Lines of text sealed by a passphrase, for a file that leaves this machine: connections with their tokens.
///
/// The first line says how the key is made (scrypt, RFC 7914) and begins with `{"format":"patchbay.connections"`. Each
/// line behind it is base64 of a ChaCha20-Poly1305 box (RFC 8439: nonce, ciphertext, tag), bound to the first line and
/// to its number; the last one holds only how many there are. A line that was changed, moved or left out, and a file
/// that was cut, does not open.
public enum SealedLines {
    /// Why a file does not open, or cannot be made.
    public struct Problem: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    public static let passphraseLeast = 12
    private static let mark = #"{"format":"patchbay.connections""#
    private static let (rounds, blockSize, parallelism) = (15, 8, 3)

    public static func isSealed(_ text: String) -> Bool { text.hasPrefix(mark) }

    public static func seal(
        _ lines: [String], passphrase: Secret, ids: Identifiers
    ) throws(Problem) -> [String] {
        guard passphrase.reveal({ $0.count }) >= passphraseLeast else {
            throw Problem(description: "The passphrase is shorter than \(passphraseLeast) characters.")
        }
        let salt = String(decoding: Base64.encode(ids.bytes(16)), as: UTF8.self)
        let head = mark + #","version":1,"kdf":"scrypt","salt":"\#(salt)"}"#
        let end = #"{"end":\#(lines.count)}"#
        do {
            let key = try key(passphrase, salt: salt)
            return try [head]
                + (lines + [end]).enumerated().map { number, line in
                    let box = try ChaChaPoly.seal(
                        Array(line.utf8), using: key, authenticating: bound(head, number))
                    return String(decoding: Base64.encode(Array(box.combined)), as: UTF8.self)
                }
        } catch { throw Problem(description: "The file cannot be sealed: \(error)") }
    }

    public static func open(_ text: String, passphrase: Secret) throws(Problem) -> [String] {
        let sealed = text.split(whereSeparator: \.isNewline).map(String.init)
        guard let head = sealed.first, isSealed(head), let json = try? JSON.parse(Array(head.utf8)),
            json["version"]?.integer == 1, json["kdf"]?.text == "scrypt", let salt = json["salt"]?.text
        else { throw Problem(description: "The file is no sealed export that this program knows.") }
        guard let key = try? key(passphrase, salt: salt) else {
            throw Problem(description: "There is not enough memory to make the key: 32 MiB.")
        }
        var lines: [String] = []
        for (number, line) in sealed.dropFirst().enumerated() {
            guard let bytes = Base64.decode(Array(line.utf8)), let box = try? ChaChaPoly.SealedBox(combined: bytes),
                let opened = try? ChaChaPoly.open(box, using: key, authenticating: bound(head, number))
            else {
                throw Problem(
                    description: number == 0
                        ? "The passphrase does not open the file." : "Line \(number + 2) of the file was changed.")
            }
            lines.append(String(decoding: opened, as: UTF8.self))
        }
        guard let last = lines.popLast(), last == #"{"end":\#(lines.count)}"# else {
            throw Problem(description: "The file was cut: its end is missing. Export it anew.")
        }
        return lines
    }

    private static func bound(_ head: String, _ number: Int) -> [UInt8] { Array("\(number) \(head)".utf8) }

    private static func key(_ passphrase: Secret, salt: String) throws -> SymmetricKey {
        try passphrase.reveal { bytes in
            try KDF.Scrypt.deriveKey(
                from: bytes, salt: Array(salt.utf8), outputByteCount: 32, rounds: 1 << rounds, blockSize: blockSize,
                parallelism: parallelism)
        }
    }
}
