import ArgumentParser
import Foundation
import Kit
import Server

/// The private key with which `trigger` plays a platform whose own it cannot have.
struct TriggerKey {
    /// PEM of a P-256 key.
    let file: String?
    let platform: String

    init(file: String?, of platform: String) {
        self.file = file
        self.platform = platform
    }

    /// - Parameter isBad: another key than the file's, which the server must refuse.
    func secret(isBad: Bool) throws -> WebhookSecret {
        do {
            if isBad { return try WebhookSecret.newPair().signs }
            guard let file else {
                throw Fault(
                    "\(platform) signs with a private key, and the server knows only the public one. Name a pair of "
                        + "your own for tests: --key FILE makes it.", code: 2)
            }
            guard let pem = FileManager.default.contents(atPath: file) else { return try make(file) }
            return try WebhookSecret(String(decoding: pem, as: UTF8.self), written: .publicKey)
        } catch let error as BadSecret {
            throw Fault("\(file ?? ""): \(error.reason)", code: 2)
        } catch let error as BadKey {
            throw Fault(error.reason, code: 2)
        }
    }

    /// Ends the command: the server must know the public key first.
    private func make(_ file: String) throws -> WebhookSecret {
        let pair = try WebhookSecret.newPair()
        guard let pem = pair.signs.privatePEM,
            FileManager.default.createFile(
                atPath: file, contents: Data(pem.utf8), attributes: [.posixPermissions: 0o600])
        else { throw Fault("\(file) cannot be written.", code: 2) }
        let text = String(decoding: Base64.encode(pair.proves.der), as: UTF8.self)
        let name = Signing.settings(of: platform).first ?? "its setting"
        throw Fault(
            """
            \(file) is made, for tests only. Give its public key to a test server, then call this again:
            \(name)=\(text)
            """, code: 4)
    }
}
