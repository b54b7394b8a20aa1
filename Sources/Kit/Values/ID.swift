/// What an id names; each kind has its prefix (docs: API, "Conventions").
public protocol Identified {
    static var idPrefix: String { get }
}

/// A typed id: prefix and 26 lower-case Crockford base32 characters of a UUIDv7, so ids sort by time.
///
///     evt_01kb2c3d4e5f6g7h8j9k0m1n2p
public struct ID<Kind: Identified>: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let text: String

    /// Checks prefix, length and alphabet. Nil for anything else.
    public init?(_ text: String) {
        let prefix = Kind.idPrefix + "_"
        guard text.utf8.count == prefix.utf8.count + 26, text.hasPrefix(prefix),
            text.utf8.dropFirst(prefix.utf8.count).allSatisfy({ Crockford.alphabet.contains($0) })
        else { return nil }
        self.text = text
    }

    /// An id that our own tables hold; not checked again.
    public init(stored text: String) { self.text = text }

    init(uuid: (UInt64, UInt64)) { text = Kind.idPrefix + "_" + Crockford.encode(uuid) }

    public var description: String { text }
    public static func < (left: Self, right: Self) -> Bool { left.text.utf8.lexicographicallyPrecedes(right.text.utf8) }
}

extension ID {
    /// The least id that a moment can have: a border for ranges by time.
    public static func first(at moment: Timestamp) -> Self {
        Self(uuid: ((UInt64(clamping: moment.microseconds / 1000) & 0xFFFF_FFFF_FFFF) << 16, 0))
    }
}

public enum DeliveryKind: Identified { public static let idPrefix = "dlv" }
public enum EventKind: Identified { public static let idPrefix = "evt" }
public enum JobKind: Identified { public static let idPrefix = "job" }
public enum AppKind: Identified { public static let idPrefix = "app" }
public enum AppSecretKind: Identified { public static let idPrefix = "sec" }
public enum EndpointKind: Identified { public static let idPrefix = "ep" }
public enum AttemptKind: Identified { public static let idPrefix = "att" }
public enum ChangeKind: Identified { public static let idPrefix = "chg" }
public enum ReviewKind: Identified { public static let idPrefix = "rev" }
public enum AlertKind: Identified { public static let idPrefix = "alr" }
public enum KeyKind: Identified { public static let idPrefix = "key" }
public enum AuditKind: Identified { public static let idPrefix = "aud" }
public enum ErasureKind: Identified { public static let idPrefix = "era" }
public enum SyncKind: Identified { public static let idPrefix = "sync" }
public enum ReconciliationKind: Identified { public static let idPrefix = "recon" }
public enum CallKind: Identified { public static let idPrefix = "call" }
public enum CaptureKind: Identified { public static let idPrefix = "cap" }
public enum NodeKind: Identified { public static let idPrefix = "node" }
public enum ConnectionKind: Identified { public static let idPrefix = "conn" }
public enum ConnectSessionKind: Identified { public static let idPrefix = "cs" }
public enum OperatorKind: Identified { public static let idPrefix = "op" }
public enum OperatorSessionKind: Identified { public static let idPrefix = "ses" }
public enum ObjectKind: Identified { public static let idPrefix = "obj" }
public enum PublicationKind: Identified { public static let idPrefix = "pub" }
public enum TargetKind: Identified { public static let idPrefix = "tgt" }

/// Base32 of Douglas Crockford: no i, l, o, u.
enum Crockford {
    static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    /// 128 bits as 26 characters, most significant first; the first character holds three bits.
    static func encode(_ value: (UInt64, UInt64)) -> String {
        String(unsafeUninitializedCapacity: 26) { buffer in
            var high = value.0
            var low = value.1
            for index in stride(from: 25, through: 0, by: -1) {
                buffer[index] = alphabet[Int(low & 31)]
                low = low >> 5 | high << 59
                high >>= 5
            }
            return 26
        }
    }
}

extension ID {
    /// When it was made, to the millisecond: the first 48 bits.
    public var madeAt: Timestamp? {
        let digits = text.utf8.suffix(26).prefix(10).map { Crockford.alphabet.firstIndex(of: $0) }
        guard digits.count == 10 else { return nil }
        var milliseconds: Int64 = 0
        for digit in digits {
            guard let digit else { return nil }
            milliseconds = milliseconds << 5 | Int64(digit)
        }
        return Timestamp(microseconds: milliseconds * 1000)
    }

    /// Sorts before every id made at this moment or later, and after all earlier ones: ranges by time are ranges of
    /// ids.
    public static func floor(_ moment: Timestamp) -> ID {
        let milliseconds = UInt64(clamping: moment.microseconds / 1000) & 0xFFFF_FFFF_FFFF
        return ID(uuid: (milliseconds << 16, 0))
    }
}
