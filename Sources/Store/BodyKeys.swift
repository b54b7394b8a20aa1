import Crypto
import FoundationEssentials
public import Kit
import Synchronization

/// The key of a month, under which bodies are sealed at rest; itself sealed by one of the operator's keys.
public struct BodyKeyRow: Sendable, Equatable {
    /// `2026-11`.
    public let month: String
    public let sealed: [UInt8]
    public let keyID: String

    public init(month: String, sealed: [UInt8], keyID: String) {
        self.month = month
        self.sealed = sealed
        self.keyID = keyID
    }
}

/// The keys that open bodies sealed at rest, and the one that seals. Guards what was opened of them.
///
/// A key opens what was sealed under it as soon as its row is found. It seals only once somebody says so, who has read
/// its row back: what is sealed under a key whose row was not committed would be lost.
public final class BodyKeys: Sendable {
    private struct State {
        var opened: [String: SymmetricKey] = [:]
        var sealing: String?
    }
    private let state = Mutex(State())
    private let open: @Sendable (BodyKeyRow) throws -> Secret

    /// - Parameter open: what opens a month's key.
    public init(open: @escaping @Sendable (BodyKeyRow) throws -> Secret) { self.open = open }

    /// Seals what comes from now on under this key, whose row is committed.
    public func seal(under row: BodyKeyRow) throws {
        let key = try opened(row)
        state.withLock { state in
            state.opened[row.month] = key
            state.sealing = row.month
        }
    }

    var sealing: (month: String, key: SymmetricKey)? {
        state.withLock { state in
            guard let month = state.sealing, let key = state.opened[month] else { return nil }
            return (month, key)
        }
    }

    func key(_ month: String, found: () throws -> BodyKeyRow?) throws -> SymmetricKey? {
        if let known = state.withLock({ $0.opened[month] }) { return known }
        guard let row = try found() else { return nil }
        let key = try opened(row)
        state.withLock { $0.opened[month] = key }
        return key
    }

    private func opened(_ row: BodyKeyRow) throws -> SymmetricKey {
        try open(row).reveal { SymmetricKey(data: $0) }
    }
}

/// A body as it is stored while bodies are sealed: four bytes of its length as it came, the most significant first, a
/// byte with the length of the month's name, the name, and AES-256-GCM over the bytes, bound to all that stands before.
enum SealedBody {
    private static let lengthCount = 4

    static func seal(_ bytes: [UInt8], ofSize size: Int, under month: String, _ key: SymmetricKey) throws -> [UInt8] {
        let name = Array(month.utf8.prefix(Int(UInt8.max)))
        let head =
            (0..<lengthCount).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) } + [UInt8(name.count)] + name
        guard let sealed = try AES.GCM.seal(bytes, using: key, authenticating: head).combined else {
            throw StoreError.damaged("what the machine's cryptography made of a body")
        }
        return head + sealed
    }

    /// The month whose key seals these bytes.
    static func month(of stored: [UInt8]) -> String? {
        guard let count = stored.dropFirst(lengthCount).first.map(Int.init),
            stored.count > lengthCount + 1 + count
        else { return nil }
        return String(validating: stored[(lengthCount + 1)..<(lengthCount + 1 + count)], as: UTF8.self)
    }

    static func open(_ stored: [UInt8], _ key: SymmetricKey) -> [UInt8]? {
        guard let month = month(of: stored) else { return nil }
        let border = lengthCount + 1 + month.utf8.count
        let box = try? AES.GCM.SealedBox(combined: stored[border...])  // Cut short: it is damaged.
        return box.flatMap { try? AES.GCM.open($0, using: key, authenticating: stored[..<border]) }.map { Array($0) }
    }
}

/// How bytes are to be stored now.
struct StoredForm {
    let bytes: [UInt8]
    let encoding: String
    let keyID: String?

    var cells: [Cell] { [.blob(bytes), .text(encoding), keyID.cell] }
}

extension Session {
    /// As a body is stored: sealed where bodies are.
    ///
    /// - Parameter packed: the same compressed, where it is to be stored so.
    func form(of bytes: [UInt8], packed: [UInt8]? = nil) throws -> StoredForm {
        guard let (month, key) = transaction.bodies?.sealing else {
            return StoredForm(
                bytes: packed ?? bytes, encoding: packed == nil ? BodyCoding.raw : BodyCoding.zlib, keyID: nil)
        }
        return StoredForm(
            bytes: try SealedBody.seal(packed ?? bytes, ofSize: bytes.count, under: month, key),
            encoding: packed == nil ? BodyCoding.sealed : BodyCoding.sealedZlib, keyID: month)
    }

    /// Keeps a month's key, unless there is one.
    public func add(_ row: BodyKeyRow, at now: Timestamp) throws {
        try run(
            """
            INSERT INTO body_keys (id, sealed, key_id, created_at)
            VALUES (\(row.month), \(row.sealed), \(row.keyID), \(now)) ON CONFLICT DO NOTHING
            """)
    }

    public func bodyKey(_ month: String) throws -> BodyKeyRow? { try transaction.bodyKeyRow(month) }

    /// Removes keys of months before this one under which nothing is sealed any more. Answers how many.
    public func sweepBodyKeys(before month: String) throws -> Int {
        try run(
            """
            DELETE FROM body_keys
             WHERE id < \(month) AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.key_id = body_keys.id)
            """)
    }
}

extension Transaction {
    func bodyKeyRow(_ month: String) throws -> BodyKeyRow? {
        let cells = try run("SELECT sealed, key_id FROM body_keys WHERE id = \(month)").first
        guard let cells else { return nil }
        var row = Row(cells)
        return BodyKeyRow(month: month, sealed: try row.blob(), keyID: try row.text())
    }

    /// A sealed body as it was before it was sealed; nil where its key is not there, or it is damaged.
    func opened(_ stored: [UInt8]) -> [UInt8]? {
        guard let bodies, let month = SealedBody.month(of: stored) else { return nil }
        // Whoever reads hears that it cannot be read; what the matter is with the key says doctor.
        let key = try? bodies.key(month) { try bodyKeyRow(month) }
        return key.flatMap { SealedBody.open(stored, $0) }
    }
}

extension Timestamp {
    /// `2026-11`: the month whose key seals what comes now.
    public var month: String { String(rfc3339.prefix(7)) }
}
