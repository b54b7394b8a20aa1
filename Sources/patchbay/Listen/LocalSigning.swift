import Engine
import Foundation
import Kit
import Server

/// What `listen` signs with, so that a local application verifies as it does in production: in the platform's own
/// scheme, with a secret of this machine. The platform's own secret stays at the server.
struct LocalSigning {
    /// As it is pasted into the local application's settings: `whsec_…`, which every scheme of ours can read.
    let secret: String

    /// The machine's secret, made once and kept.
    init(in folder: URL) throws {
        let file = folder.appendingPathComponent("secret")
        if let text = try? String(contentsOf: file, encoding: .utf8), text.hasPrefix("whsec_") {  // Else made now.
            secret = text
            return
        }
        secret = StandardSignature.secret(
            from: Identifiers(now: { Timestamp.system }).bytes(StandardSignature.secretLength))
        guard
            FileManager.default.createFile(
                atPath: file.path, contents: Data(secret.utf8), attributes: [.posixPermissions: 0o600])
        else { throw Fault("\(file.path) cannot be written.", code: 1) }
    }

    /// The headers of a platform's delivery with the signature made anew; as they came where no table says how.
    func headers(_ headers: [Field], of body: [UInt8], from provider: String, id: String) throws -> [Field] {
        guard let scheme = Signing.scheme(of: provider), !scheme.signatureHeaders.isEmpty else { return headers }
        let replaced = Set(scheme.signatureHeaders.map { $0.lowercased() })
        return headers.filter { !replaced.contains($0.name.lowercased()) }
            + scheme.sign(body, with: try scheme.secrets(in: secret), id: id, at: .system)
    }

    /// The headers of one of our own events.
    func headers(ofEvent body: [UInt8], id: String) throws -> [Field] {
        [Field("Content-Type", "application/json"), Field("User-Agent", "Patchbay/\(Instance.version) listen")]
            + StandardSignature.sign(body, id: id, at: .system, with: [try StandardSignature.signingKey(secret)])
    }
}
