import Kit
import Store

/// Seals secrets at rest, bound to their place: sealed for another context they do not open.
public protocol Sealing: Sendable {
    func seal(_ bytes: [UInt8], context: String) throws -> Sealed
    func open(_ sealed: Sealed, context: String) throws -> [UInt8]
}

/// Sealed bytes, and the key that sealed them.
public struct Sealed: Sendable, Equatable {
    public let bytes: [UInt8]
    public let keyID: String

    public init(bytes: [UInt8], keyID: String) {
        self.bytes = bytes
        self.keyID = keyID
    }
}

/// The opened secrets of one endpoint, and what is sent with them.
struct EndpointSigner: Sendable {
    private let secrets: [(secret: WebhookSecret, expiresAt: Timestamp?)]
    private let userAgent: Field

    /// - Throws: what the vault throws, or `BadSecret`.
    init(opening kept: [EndpointSecret], of endpoint: ID<EndpointKind>, with vault: any Sealing, program: String) throws
    {
        secrets = try kept.map { secret in
            let bytes = try vault.open(
                Sealed(bytes: secret.sealed, keyID: secret.keyID), context: Self.context(secret.id, of: endpoint))
            return (try StandardSignature.signingKey(String(decoding: bytes, as: UTF8.self)), secret.expiresAt)
        }
        userAgent = Field("User-Agent", "Patchbay/\(program)")
    }

    /// One request, signed by every active secret. The id stays through all tries; the time is this one's.
    func request(_ body: [UInt8], id: ID<ChangeKind>, to url: String, at now: Timestamp) -> OutsideRequest {
        let active = secrets.filter { $0.expiresAt.map { $0 > now } ?? true }.map(\.secret)
        let signature = StandardSignature.sign(body, id: id.text, at: now, with: active)
        return OutsideRequest(
            url: url, headers: [Field("Content-Type", "application/json"), userAgent] + signature, body: body)
    }

    /// What binds a sealed secret to its row.
    static func context(_ secret: ID<EndpointSecretKind>, of endpoint: ID<EndpointKind>) -> String {
        "endpoint_secrets/\(endpoint)/\(secret)"
    }
}
