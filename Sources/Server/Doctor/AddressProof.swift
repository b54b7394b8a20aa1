import Crypto
import Kit
import Store

/// Shows whoever asks an address of ours that this very instance answers there: a keyed hash of what they chose, under
/// a key that all its nodes share and that nothing else uses. Guards the key that was read.
actor AddressProof {
    private static let fact = "address_proof"

    private let database: any Database
    private let ids: Identifiers
    private var key: String?

    init(database: any Database, ids: Identifiers) {
        self.database = database
        self.ids = ids
    }

    /// Nil while the database does not answer.
    func answer(to nonce: String) async -> String? {
        if key == nil {
            let new = Hex.encode(ids.bytes(32)).text
            do {
                key = try await database.write("address_proof", in: .work) {
                    try $0.settleInstanceFact(Self.fact, new)
                }
            } catch { return nil }
        }
        return key.map { Self.proof(of: nonce, under: $0) }
    }

    /// What an instance with this database answers; nil where none has answered yet.
    static func expected(for nonce: String, in database: any Database) async throws -> String? {
        try await database.read("address_proof") { try $0.instanceFact(fact) }.map { proof(of: nonce, under: $0) }
    }

    private static func proof(of nonce: String, under key: String) -> String {
        let mac = HMAC<SHA256>.authenticationCode(
            for: Array("address \(nonce)".utf8), using: SymmetricKey(data: Array(key.utf8)))
        return Hex.encode(Array(mac)).text
    }
}

extension [UInt8] {
    fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
