import Crypto
import Kit
import Store

/// Who is signed in, in which browser.
struct Visitor: Sendable {
    let `operator`: OperatorRow
    let session: OperatorSession
    /// What every form of this session carries: made from the session's token, so that nobody else has it.
    let formToken: String

    init(_ session: OperatorSession, _ row: OperatorRow, token: Secret) {
        self.session = session
        `operator` = row
        formToken = SessionToken.formToken(token)
    }

    var isAdmin: Bool { `operator`.role == .admin }
}

/// The secret in a session's cookie and in one-time addresses: 256 random bits. Only its hash is kept.
enum SessionToken {
    static func make(_ ids: Identifiers) -> Secret { Secret(Hex.encode(ids.bytes(32))) }

    static func hash(_ token: Secret) -> [UInt8] { token.reveal { Array(SHA256.hash(data: $0)) } }

    static func formToken(_ token: Secret) -> String {
        token.reveal { bytes in
            let code = HMAC<SHA256>.authenticationCode(for: Array("form".utf8), using: SymmetricKey(data: bytes))
            return String(decoding: Hex.encode(Array(code)), as: UTF8.self)
        }
    }

    static func text(_ token: Secret) -> String { token.reveal { String(decoding: $0, as: UTF8.self) } }
}

/// The cookie that holds a session: one host, one path, no script, not from other sites.
struct SessionCookie {
    /// Over https the browser itself refuses it for anything wider than this host. Over plain http, which only this
    /// machine may use, the port stands in the name: cookies do not tell ports apart.
    let name: String
    let isSecure: Bool

    init(isSecure: Bool, port: Int) {
        self.isSecure = isSecure
        name = isSecure ? "__Host-patchbay" : "patchbay_\(port)"
    }

    /// For 14 days; the server ends it sooner where it likes.
    func set(_ token: Secret) -> String {
        "\(name)=\(SessionToken.text(token)); Path=/; Max-Age=\(Sessions.life.components.seconds); HttpOnly; "
            + "SameSite=Lax" + (isSecure ? "; Secure" : "")
    }
    var clear: String { "\(name)=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" + (isSecure ? "; Secure" : "") }
}
