/// How a platform asks by a GET whether an address is ours, and what it wants to hear.
public enum Handshake: Sendable {
    /// The challenge comes back as it is, where the request names a token of the operator's (Meta).
    case echo(challenge: String, token: String, mode: Field)
    /// The challenge comes back signed with the newest secret (X, Braintree).
    case signed(SignedChallenge)

    /// Why a GET is not answered as a handshake.
    public enum Refusal: Error, Sendable, Equatable {
        /// A parameter is absent or stands there twice: it is no handshake.
        case incomplete(parameter: String)
        /// The token is none of the operator's, or the challenge is not one that the platform makes.
        case refused(String)

        /// For the operator.
        public var reason: String {
            switch self {
            case .incomplete(let parameter): "The request does not name \(parameter) once: it is no handshake."
            case .refused(let reason): reason
            }
        }
    }

    /// Longer challenges are nobody's.
    static let longestChallenge = 1024

    /// The answer, or throws why there is none.
    ///
    /// - Parameter secrets: newest first; tokens and keys together.
    public func answer(_ delivery: Delivery, with secrets: [WebhookSecret]) throws(Refusal) -> WebhookAnswer {
        let query = FormFields(queryOf: delivery.target)
        switch self {
        case .echo(let challenge, let token, let mode):
            let challenge = try Self.only(challenge, in: query)
            let named = try Self.only(token, in: query)
            guard try Self.only(mode.name, in: query).elementsEqual(mode.value.utf8) else {
                throw .refused("\(mode.name) is not \(mode.value).")
            }
            guard secrets.names(named) else {
                throw .refused("The token is none that is set here: compare it with what the platform was given.")
            }
            return WebhookAnswer("text/plain; charset=utf-8", challenge)
        case .signed(let signed):
            return try signed.answer(try Self.only(signed.parameter, in: query), with: secrets)
        }
    }

    private static func only(_ name: String, in query: FormFields?) throws(Refusal) -> [UInt8] {
        guard let values = query?.values(of: name), values.count == 1, let value = values.first, !value.isEmpty else {
            throw .incomplete(parameter: name)
        }
        guard value.count <= longestChallenge else { throw .refused("\(name) is longer than any platform's.") }
        return value
    }

    /// Whether the handshake would sign these bytes for anyone: as a body they prove nothing.
    func signs(_ bytes: [UInt8]) -> Bool {
        if case .signed(let signed) = self { signed.isChallenge(bytes) } else { false }
    }
}

/// A challenge that is answered with its signature.
///
/// Whoever asks gets a signature of the operator's key. So what is signed here must be unlike every delivery:
/// `isChallenge` says what is signed, and a body of that kind is never believed.
public struct SignedChallenge: Sendable {
    /// The query parameter.
    public let parameter: String
    /// Which challenges are signed.
    public let isChallenge: @Sendable ([UInt8]) -> Bool
    private let hash: HMACScheme.Hash
    private let encoding: HMACScheme.Encoding
    private let keyed: Keying
    private let answer: @Sendable (_ signature: String, _ keyName: String) -> WebhookAnswer

    public init(
        _ parameter: String, _ hash: HMACScheme.Hash, _ encoding: HMACScheme.Encoding, keyed: Keying = .plain,
        signs isChallenge: @escaping @Sendable ([UInt8]) -> Bool,
        answer: @escaping @Sendable (_ signature: String, _ keyName: String) -> WebhookAnswer
    ) {
        self.parameter = parameter
        self.hash = hash
        self.encoding = encoding
        self.keyed = keyed
        self.isChallenge = isChallenge
        self.answer = answer
    }

    func answer(_ challenge: [UInt8], with secrets: [WebhookSecret]) throws(Handshake.Refusal) -> WebhookAnswer {
        guard isChallenge(challenge) else {
            throw .refused("\(parameter) is not written as the platform writes it, so it is not signed.")
        }
        for secret in secrets {
            guard let text = secret.mac(over: challenge, hash, encoding, keyed: keyed) else { continue }
            return answer(String(decoding: text, as: UTF8.self), secret.name ?? "")
        }
        throw .refused("No secret is set that could sign.")
    }
}

extension [WebhookSecret] {
    /// Whether one of the tokens is this one. All are compared, whatever was found.
    func names(_ text: [UInt8]) -> Bool {
        var isNamed = false
        for secret in self {
            guard case .token(let token) = secret.key else { continue }
            isNamed = token.reveal { constantTimeEqual($0, text) } || isNamed
        }
        return isNamed
    }
}
