import Crypto
import FoundationEssentials
public import Kit

/// Seals and opens credentials: the only code that does.
///
/// An envelope: a data key of its own encrypts the bytes, a key-encryption key encrypts the data key; both with
/// AES-256-GCM, both bound to the row they belong to, so that ciphertexts swapped between rows do not open.
public struct Vault: Sendable {
    /// Which row a ciphertext belongs to: table, row and purpose.
    public struct Place: Sendable, Equatable {
        let text: String
        public init(table: String, row: String, purpose: String = "") { text = "\(table)\u{1F}\(row)\u{1F}\(purpose)" }
    }

    private static let version: UInt8 = 1
    /// Nonce, ciphertext of 32 bytes, tag.
    private static let wrappedCount = 12 + 32 + 16

    private let keyring: Keyring
    public init(keyring: Keyring) { self.keyring = keyring }

    public var newestKey: String? { keyring.newest }
    public var keyIDs: [String] { keyring.ids }

    /// - Throws: `VaultProblem.unusable` when the platform's cryptography fails.
    public func seal(_ secret: Secret, in place: Place) throws(VaultProblem) -> Sealed {
        guard let sealing = keyring.sealing else { throw .unusable }
        let dataKey = SymmetricKey(size: .bits256)
        do {
            let wrapped = try AES.GCM.seal(
                dataKey.withUnsafeBytes { Data($0) }, using: sealing.key,
                authenticating: Self.bound("key", sealing.id, place))
            let content = try secret.reveal { bytes in
                try AES.GCM.seal(bytes, using: dataKey, authenticating: Self.bound("data", sealing.id, place))
            }
            guard let wrappedBytes = wrapped.combined, let contentBytes = content.combined else {
                throw VaultProblem.unusable
            }
            return Sealed(bytes: [Self.version] + wrappedBytes + contentBytes, keyID: sealing.id)
        } catch {
            throw .unusable
        }
    }

    /// - Throws: `VaultProblem`: the key is not there, or the bytes are not those that were sealed for this place.
    public func open(_ sealed: Sealed, in place: Place) throws(VaultProblem) -> Secret {
        guard let key = keyring.key(sealed.keyID) else { throw .keyMissing(sealed.keyID) }
        guard sealed.bytes.count > 1 + Self.wrappedCount, sealed.bytes[sealed.bytes.startIndex] == Self.version else {
            throw .refused
        }
        let wrapped = sealed.bytes[1..<1 + Self.wrappedCount]
        let content = sealed.bytes[(1 + Self.wrappedCount)...]
        do {
            let dataKey = SymmetricKey(
                data: try AES.GCM.open(
                    AES.GCM.SealedBox(combined: Data(wrapped)), using: key,
                    authenticating: Self.bound("key", sealed.keyID, place)))
            let plain = try AES.GCM.open(
                AES.GCM.SealedBox(combined: Data(content)), using: dataKey,
                authenticating: Self.bound("data", sealed.keyID, place))
            return Secret(Array(plain))
        } catch {
            throw .refused
        }
    }

    /// A key of its own, made from one of the vault's: for hashes by which values are found and that nobody can make
    /// without it. Nil when that key is not there.
    func indexKey(from id: String) -> SymmetricKey? { derivedKey(from: id, for: "event_terms") }

    /// The same, for signing addresses of objects.
    func addressKey(from id: String) -> SymmetricKey? { derivedKey(from: id, for: "signed_addresses") }

    private func derivedKey(from id: String, for purpose: String) -> SymmetricKey? {
        keyring.key(id).map {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: $0, info: Data("patchbay\u{1F}\(purpose)".utf8), outputByteCount: 32)
        }
    }

    /// The same secret under the newest key; nil when it is under it already.
    public func resealed(_ sealed: Sealed, in place: Place) throws(VaultProblem) -> Sealed? {
        guard sealed.keyID != keyring.newest else { return nil }
        return try seal(open(sealed, in: place), in: place)
    }

    private static func bound(_ part: String, _ keyID: String, _ place: Place) -> Data {
        Data("patchbay\u{1F}\(version)\u{1F}\(part)\u{1F}\(keyID)\u{1F}\(place.text)".utf8)
    }
}

/// Why a credential cannot be opened or sealed.
public enum VaultProblem: Error, Sendable, Equatable, CustomStringConvertible {
    case keyMissing(String)
    /// Changed, cut, or of another row.
    case refused
    case unusable

    public var description: String {
        switch self {
        case .keyMissing(let id):
            "Key \(id) is not in PATCHBAY_ENCRYPTION_KEYS. Add it again, then run: patchbay vault rotate"
        case .refused: "A sealed credential does not belong to its row or was changed. Enter it again."
        case .unusable: "The machine's cryptography failed."
        }
    }
}
