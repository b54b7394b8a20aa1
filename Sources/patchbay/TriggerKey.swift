import ArgumentParser
import Certificates
import Engine
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

    /// The key of a platform whose key stands elsewhere.
    ///
    /// - Parameters:
    ///   - base: where it is served.
    ///   - isBad: signs what the server must refuse.
    func played(_ source: any PlayedSource, at base: String, isBad: Bool) throws -> PlayedKey {
        guard let file else {
            throw Fault(
                "\(platform) signs with a key that the server looks for at an address. Name one of your own for tests: "
                    + "--key FILE makes it.", code: 2)
        }
        do {
            guard let text = FileManager.default.contents(atPath: file) else { return try make(file, source, base) }
            let key = try Self.key(in: String(decoding: text, as: UTF8.self), of: source.playedWith)
            guard isBad else { return key }
            return PlayedKey(shown: key.shown, root: key.root) { message in key.sign(message + [0]) }
        } catch let error as BadSecret {
            throw Fault("\(file): \(error.reason)", code: 2)
        } catch let error as BadKey {
            throw Fault("\(file): \(error.reason)", code: 2)
        }
    }

    private static func key(in text: String, of kind: PlayedKey.Kind) throws -> PlayedKey {
        switch kind {
        case .certificate: return try TestCertificate.key(in: text)
        case .pair:
            let secret = try WebhookSecret(text, written: .publicKey)
            guard let shown = PEM.blocks(of: Array(text.utf8)).first(where: { $0.label == "PUBLIC KEY" }) else {
                throw BadKey("The file holds no public key beside the private one. Let --key make a new one.")
            }
            return PlayedKey(shown: PEM.text(shown.label, shown.bytes), root: nil) { secret.signature(over: $0) }
        }
    }

    /// Ends the command: the server must be told first.
    private func make(_ file: String, _ source: any PlayedSource, _ base: String) throws -> PlayedKey {
        let text: String
        switch source.playedWith {
        case .certificate(let name): text = try TestCertificate(for: name, at: .system).text
        case .pair:
            let pair = try WebhookSecret.newPair()
            text = (pair.signs.privatePEM ?? "") + "\n" + PEM.text("PUBLIC KEY", pair.proves.der) + "\n"
        }
        guard
            FileManager.default.createFile(
                atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw Fault("\(file) cannot be written.", code: 2) }
        let settings = source.stage(try Self.key(in: text, of: source.playedWith), at: base).settings
        throw Fault(
            """
            \(file) is made, for tests only. Give a test server on this machine these settings, then call this again:
            \((settings + ["PATCHBAY_ALLOW_PRIVATE_ADDRESSES=127.0.0.0/8"]).joined(separator: "\n"))
            """, code: 4)
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
