public import Kit

extension PayPal {
    /// Makes something that checks certificates against these roots, in PEM.
    public typealias Checking = @Sendable ([UInt8]) throws(BadKey) -> any CertificateChecking

    /// For lines that say what each address would serve: the webhook id, and certificates that lead to roots of the
    /// line's own.
    public static func verifying(_ checking: @escaping Checking) -> [String: Verify.Builder] {
        [
            "paypal": { secret throws(Verify.Unusable) in try setting(secret, checking) },
            "paypal-api": { secret throws(Verify.Unusable) in try setting(secret) },
        ]
    }

    /// For lines that say what PayPal would answer: `verification_status`.
    private static func setting(_ secret: JSON) throws(Verify.Unusable) -> Verify.Setting {
        guard let status = secret["verification_status"]?.text else {
            throw Verify.Unusable("secret.verification_status: SUCCESS or FAILURE is needed.")
        }
        let answer = Answer(status: 200, headers: [], body: (["verification_status": .string(status)] as JSON).bytes)
        return Verify.Setting(scheme(Environment.allCases, by: .api), try ids(secret)) { _ in answer }
    }

    private static func ids(_ secret: JSON) throws(Verify.Unusable) -> [WebhookSecret] {
        try Verify.secrets(in: ["ids": [secret["webhook_id"] ?? .null]], ["ids"]) { text throws(BadSecret) in
            try WebhookSecret.list(text, written: .identifier)
        }
    }

    private static func setting(
        _ secret: JSON, _ checking: @escaping Checking
    ) throws(Verify.Unusable) -> Verify.Setting {
        let ids = try ids(secret)
        let served = try certificates(secret["certificates"])
        let (between, roots) = (try texts(secret, "intermediates"), try texts(secret, "roots"))
        return Verify.Setting(scheme(Environment.allCases), ids) { need, proof, now throws(BadKey) in
            guard let pem = served[need.url] else { throw BadKey("Nothing is served at \(need.url).") }
            let document = KeyDocument(url: need.url, contentType: "", body: pem + between)
            let trust = KeyTrust(certificates: try checking(roots), now: now)
            guard case .found(let key) = try await proof.read(need, [document], trust) else {
                throw BadKey("There is no certificate.")
            }
            return key
        }
    }

    private static func certificates(_ json: JSON?) throws(Verify.Unusable) -> [String: [UInt8]] {
        guard let members = json?.members else {
            throw Verify.Unusable("secret.certificates: an object of address and PEM is needed.")
        }
        var served: [String: [UInt8]] = [:]
        for member in members { served[member.name] = Array((member.value.text ?? "").utf8) }
        return served
    }

    /// PEM texts, one after the other.
    private static func texts(_ secret: JSON, _ name: String) throws(Verify.Unusable) -> [UInt8] {
        guard let list = secret[name], !list.isNull else { return [] }
        guard let elements = list.elements else {
            throw Verify.Unusable("secret.\(name): a list of PEM texts is needed.")
        }
        return elements.flatMap { [UInt8(ascii: "\n")] + Array(($0.text ?? "").utf8) }
    }
}
