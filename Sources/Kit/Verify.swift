/// What `patchbay verify` does with one line: judge a delivery that was recorded somewhere, by the very scheme that
/// the gateway uses. Its page in the documentation describes the format.
public struct Verify: Sendable {
    /// A scheme as a line configures it, and the secrets that the line brings.
    public struct Setting: Sendable {
        public let scheme: WebhookScheme
        public let secrets: [WebhookSecret]
        /// The line holds a handshake, not a delivery.
        public let isHandshake: Bool
        /// Finds the key that a delivery names among what the line brings; nil where the scheme needs none.
        public let key: Keys?

        /// What the platform would answer when it is asked; nil where it is not.
        public let answer: (@Sendable (Outgoing) -> Answer)?

        /// Gives the key that is needed at this time.
        public typealias Keys = @Sendable (KeyNeed, RemoteProof, Timestamp) async throws(BadKey) -> FoundKey

        public init(_ scheme: WebhookScheme, _ secrets: [WebhookSecret], isHandshake: Bool = false) {
            self.scheme = scheme
            self.secrets = secrets
            self.isHandshake = isHandshake
            key = nil
            answer = nil
        }

        /// Of a scheme whose keys stand elsewhere.
        public init(_ scheme: WebhookScheme, _ secrets: [WebhookSecret], key: @escaping Keys) {
            self.scheme = scheme
            self.secrets = secrets
            isHandshake = false
            self.key = key
            answer = nil
        }

        /// Of a scheme whose platform is asked.
        public init(
            _ scheme: WebhookScheme, _ secrets: [WebhookSecret], answer: @escaping @Sendable (Outgoing) -> Answer
        ) {
            self.scheme = scheme
            self.secrets = secrets
            isHandshake = false
            key = nil
            self.answer = answer
        }

        fileprivate func check(_ delivery: Delivery) async throws(Forged) -> Belief {
            if case .asked(let proof) = scheme.verification, let answer {
                return try heard(try proof.question(delivery, secrets), on: delivery, answer)
            }
            guard case .remote(let proof) = scheme.verification, let key else {
                return try scheme.check(delivery, with: secrets)
            }
            let need = try proof.need(delivery, secrets)
            let found: FoundKey
            do { found = try await key(need, proof, delivery.receivedAt) } catch { throw .untrustedKey(error.reason) }
            return try scheme.belief(in: try proof.prove(delivery, secrets, found), at: delivery.receivedAt)
        }

        private func heard(
            _ question: ProofQuestion, on delivery: Delivery, _ answer: (Outgoing) -> Answer
        ) throws(Forged) -> Belief {
            let belief = try scheme.belief(in: question.claimed, at: delivery.receivedAt)
            // What cannot be read says no: the line holds what it holds.
            let isGenuine = question.calls.contains { (try? $0.read(answer($0.outgoing))) == true }
            guard isGenuine else { throw .denied }
            return belief
        }
    }
    /// Makes the setting from the line's `secret`.
    public typealias Builder = @Sendable (JSON) throws(Unusable) -> Setting

    private let builders: [String: Builder]

    /// - Parameter builders: by the name that a line's `scheme` has.
    public init(_ builders: [String: Builder]) { self.builders = builders }

    /// The verdict on one line, as one line without its end. Never throws: a line that cannot be used says why.
    public func verdict(on line: [UInt8]) async -> [UInt8] {
        do { return try await judge(line).bytes } catch { return Self.verdict("error", error.reason).bytes }
    }

    private func judge(_ line: [UInt8]) async throws(Unusable) -> JSON {
        let json: JSON
        do { json = try JSON.parse(line) } catch { throw Unusable(error.sentence) }
        guard let name = json["scheme"]?.text else { throw Unusable("scheme: a text is needed.") }
        guard let build = builders[name] else {
            throw Unusable("scheme: \(OutsideText.bounded(name, 64)) is not known.")
        }
        guard let secret = json["secret"] else { throw Unusable("secret: an object is needed.") }
        let delivery = try Self.delivery(json)
        let setting: Setting
        do { setting = try build(secret) } catch {
            // The gateway has no key then, and believes nobody.
            if error.isAboutKeys { return Self.verdict("reject", error.reason) }
            throw error
        }
        return setting.isHandshake
            ? Self.answer(to: delivery, by: setting) : await Self.verdict(on: delivery, by: setting)
    }

    private static func answer(to delivery: Delivery, by setting: Setting) -> JSON {
        guard let handshake = setting.scheme.handshake, delivery.method == "GET" else {
            return verdict("reject", "A handshake is a GET.")
        }
        do {
            let answer = try handshake.answer(delivery, with: setting.secrets)
            return [
                "verdict": "accept", "reason": "The handshake is answered.",
                "answer": .string(String(decoding: answer.body, as: UTF8.self)),
            ]
        } catch {
            return verdict("reject", error.reason)
        }
    }

    private static func verdict(on delivery: Delivery, by setting: Setting) async -> JSON {
        guard delivery.body.count <= setting.scheme.bodyLimit else {
            return verdict(
                "reject", "The body has \(delivery.body.count) bytes, \(setting.scheme.bodyLimit) are allowed.")
        }
        do {
            let belief = try await setting.check(delivery)
            return verdict("accept", belief.late ? "late" : "The signature is right.")
        } catch {
            return verdict("reject", error.reason)
        }
    }

    private static func verdict(_ verdict: String, _ reason: String) -> JSON {
        ["verdict": .string(verdict), "reason": .string(reason)]
    }
}

extension Verify {
    /// Why a line cannot be used.
    public struct Unusable: Error, Sendable, Equatable {
        /// For whoever wrote the line.
        public let reason: String
        /// The line is well formed, and none of its keys can be used.
        public let isAboutKeys: Bool
        public init(_ reason: String, isAboutKeys: Bool = false) {
            self.reason = reason
            self.isAboutKeys = isAboutKeys
        }
    }

    /// The usual builder: secrets in lists under these members of `secret`, and an optional `tolerance` of age in
    /// seconds. Keys that cannot be used count as absent, as the gateway never loads them.
    ///
    /// - Parameters:
    ///   - least: bytes of a key; what a platform's own examples use may be short.
    ///   - isHandshake: whether lines hold handshakes.
    public static func lists(
        _ members: [String], for scheme: WebhookScheme, atLeast least: Int = WebhookSecret.shortest,
        isHandshake: Bool = false
    ) -> Builder {
        { secret throws(Unusable) in
            var scheme = scheme
            if let tolerance = secret["tolerance"], !tolerance.isNull {
                guard let seconds = tolerance.integer, (0...longestTolerance).contains(seconds) else {
                    throw Unusable("secret.tolerance: whole seconds are needed.")
                }
                scheme.tolerance?.past = .seconds(seconds)
            }
            let keys = try secrets(in: secret, members) { text throws(BadSecret) in
                try WebhookSecret.list(text, written: scheme.secretWriting, atLeast: least)
            }
            return Setting(scheme, keys, isHandshake: isHandshake)
        }
    }

    /// A key with a public name.
    public static func key(name: String, secret: String) throws(Unusable) -> WebhookSecret {
        do { return try WebhookSecret(name: name, secret: secret, atLeast: 1) } catch {
            throw Unusable(error.reason, isAboutKeys: true)
        }
    }

    private static let longestTolerance = Int64(UInt32.max)

    /// The keys in these lists of a line, each text read by `read`. What cannot be used counts as absent.
    ///
    /// - Throws: that a list is none, or why none of the keys can be used.
    public static func secrets(
        in secret: JSON, _ members: [String], read: (String) throws(BadSecret) -> [WebhookSecret]
    ) throws(Unusable) -> [WebhookSecret] {
        guard secret.members != nil else { throw Unusable("secret: an object is needed.") }
        var usable: [WebhookSecret] = []
        var problem: BadSecret?
        for member in members {
            guard let list = secret[member], !list.isNull else { continue }
            guard let elements = list.elements else { throw Unusable("secret.\(member): a list of texts is needed.") }
            for element in elements {
                guard let text = element.text else { throw Unusable("secret.\(member): a list of texts is needed.") }
                do { usable += try read(text) } catch { problem = error }
            }
        }
        if usable.isEmpty, let problem { throw Unusable(problem.reason, isAboutKeys: true) }
        return usable
    }
}

extension Verify {
    private static func delivery(_ json: JSON) throws(Unusable) -> Delivery {
        guard let body = json["body_base64"]?.text, let bytes = Base64.decode(Array(body.utf8)) else {
            throw Unusable("body_base64: base64 is needed.")
        }
        guard let now = json["now"].flatMap(seconds) else { throw Unusable("now: Unix seconds are needed.") }
        return Delivery(
            method: json["method"]?.text ?? "POST", target: target(of: json["url"]?.text ?? "/"),
            url: json["url"]?.text, headers: try headers(json["headers"] ?? .null), body: bytes, receivedAt: now)
    }

    private static func headers(_ json: JSON) throws(Unusable) -> [Field] {
        guard let elements = json.elements else { throw Unusable("headers: a list of [name, value] is needed.") }
        var fields: [Field] = []
        for element in elements {
            guard let pair = element.elements, pair.count == 2, let name = pair.first?.text, let value = pair.last?.text
            else { throw Unusable("headers: a list of [name, value] is needed.") }
            fields.append(Field(name, value))
        }
        return fields
    }

    /// A fraction is cut, as the gateway's clock is.
    private static func seconds(_ json: JSON) -> Timestamp? {
        guard let text = json.numberText else { return nil }
        let whole = text.utf8.prefix { $0 != UInt8(ascii: ".") }
        return Int64(String(decoding: Array(whole), as: UTF8.self)).map(Timestamp.init(seconds:))
    }

    /// What a client would have put on its request line: all after the host.
    private static func target(of url: String) -> String {
        let bytes = Array(url.utf8)
        guard let scheme = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[scheme...].starts(with: "://".utf8) else {
            return url
        }
        let rest = bytes[(scheme + 3)...].drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        let target = String(decoding: rest.prefix { $0 != UInt8(ascii: "#") }, as: UTF8.self)
        return target.utf8.first == UInt8(ascii: "/") ? target : "/" + target
    }
}
