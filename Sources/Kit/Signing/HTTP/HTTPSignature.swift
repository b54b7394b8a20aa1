/// One signature over parts of a request, as its headers state it. Nothing of it is proven yet.
public struct HTTPSignature: Sendable {
    /// Which of the two writings it is in.
    public enum Writing: Sendable, Equatable {
        /// draft-cavage-http-signatures-12: one header, `Signature: keyId="…",headers="…",signature="…"`.
        case draft
        /// RFC 9421: `Signature-Input` and `Signature`.
        case rfc9421
    }

    /// A part of the request that is covered: a header in small letters, or a derived value.
    struct Component: Equatable {
        let name: String
        /// Of `@query-param` alone.
        var parameter: String?
    }

    public let writing: Writing
    /// Who signed, as the signature says: an address or a name, as its profile has it.
    public let keyID: String
    let algorithm: String?
    let created: Timestamp?
    let expires: Timestamp?
    let components: [Component]
    let signature: [UInt8]
    /// The last line's value in RFC 9421; empty in the draft.
    let parameters: [UInt8]

    /// The headers that carry a signature.
    static let header = "Signature"
    static let inputHeader = "Signature-Input"

    /// In bytes.
    static let longestHeader = 8192
    static let longestKeyID = 2048

    init(
        writing: Writing, keyID: String, algorithm: String?, created: Timestamp?, expires: Timestamp?,
        components: [Component], signature: [UInt8], parameters: [UInt8]
    ) {
        self.writing = writing
        self.keyID = keyID
        self.algorithm = algorithm
        self.created = created
        self.expires = expires
        self.components = components
        self.signature = signature
        self.parameters = parameters
    }

    /// Reads the signature of a request.
    ///
    /// - Throws: what is missing or cannot be read, and what the rules ask to be covered and is not.
    public init(of delivery: Delivery, by rules: HTTPSignatureRules) throws(Forged) {
        let isRFC = !delivery.headers.values(of: Self.inputHeader).isEmpty
        guard let coverage = isRFC ? rules.rfc9421 : rules.draft else {
            throw .malformed(header: Self.header, problem: "is in a writing that is not believed here")
        }
        self = isRFC ? try Self.rfc9421(of: delivery) : try Self.draft(of: delivery)
        guard !keyID.isEmpty, keyID.utf8.count <= Self.longestKeyID else {
            throw .malformed(header: Self.header, problem: "names no key, or one of a name beyond all bounds")
        }
        if let algorithm, rules.algorithms[algorithm] == nil {
            throw .malformed(header: Self.header, problem: "names an algorithm that is not believed here")
        }
        let hasBody = ["POST", "PUT", "PATCH"].contains(delivery.method)
        for name in coverage.always + (hasBody ? coverage.withBody : []) where !covers(name) {
            throw .uncovered(name)
        }
        guard time(in: delivery) != nil else { throw .uncovered(writing == .draft ? "date" : "created") }
    }

    func covers(_ name: String) -> Bool { components.contains(Component(name: name)) }

    /// When it was made, as far as it covers that.
    func time(in delivery: Delivery) -> Timestamp? {
        switch writing {
        case .rfc9421: created
        case .draft:
            if let created, covers("(created)") {
                created
            } else if covers("date") {
                delivery.headers["Date"].flatMap(Timestamp.init(httpDate:))
            } else {
                nil
            }
        }
    }
}

extension HTTPSignature {
    /// Proves the signature with the key that it names, and that the body is the one whose digest it covers.
    ///
    /// - Returns: when it was made, not judged yet.
    public func prove(
        _ delivery: Delivery, with key: PublicKey, by rules: HTTPSignatureRules
    ) throws(Forged) -> SignedTime {
        guard let algorithm = rules.algorithm(named: algorithm, with: key) else { throw .wrongSignature }
        var isProven = false
        for base in try bases(of: delivery) where !isProven {
            isProven = key.made(signature, over: base, by: algorithm)
        }
        guard isProven else { throw .wrongSignature }
        try proveBody(delivery)
        return try signedTime(delivery, by: rules)
    }

    /// What it says of its time, and how long that is good: proven when the signature is.
    public func signedTime(_ delivery: Delivery, by rules: HTTPSignatureRules) throws(Forged) -> SignedTime {
        guard let made = time(in: delivery) else { throw .uncovered("date") }
        guard let expires else { return SignedTime(made, goodFor: rules.window.usual + rules.window.skew) }
        return SignedTime(made, goodFor: min(expires - made, rules.window.most) + rules.window.skew)
    }

    /// Each digest that is covered is right: it can be said without a key. Whether one must be covered the rules have
    /// said.
    public func proveBody(_ delivery: Delivery) throws(Forged) {
        if covers("digest") {
            guard BodyDigest.matches(draft: try delivery.single("Digest"), delivery.body) else { throw .wrongDigest }
        }
        if covers("content-digest") {
            guard BodyDigest.matches(content: try delivery.single("Content-Digest"), delivery.body) else {
                throw .wrongDigest
            }
        }
    }

    /// The signed bytes. Two where senders differ in what they sign; either is right.
    public func bases(of delivery: Delivery) throws(Forged) -> [[UInt8]] {
        switch writing {
        case .draft: try draftBases(of: delivery)
        case .rfc9421: [try rfc9421Base(of: delivery)]
        }
    }
}

extension Delivery {
    /// The one value under a header's name.
    func single(_ header: String) throws(Forged) -> String {
        let values = headers.values(of: header)
        guard values.count < 2 else { throw .repeated(header: header) }
        guard let value = values.first, !value.isEmpty else { throw .missing(header: header) }
        guard value.utf8.count <= HTTPSignature.longestHeader else {
            throw .malformed(header: header, problem: "is longer than \(HTTPSignature.longestHeader) bytes")
        }
        return value
    }

    /// Every value under a header's name, each without the blanks around it, commas between.
    func joined(_ header: String) throws(Forged) -> [UInt8] {
        let values = headers.values(of: header)
        guard !values.isEmpty else { throw .missing(header: header) }
        return Array(values.map { $0.utf8.withoutBlanks }.joined(separator: ", ".utf8))
    }

    /// Host and port as the sender called them, in small letters: from the address of this server where it is known,
    /// since a proxy may have rewritten the header.
    func authority() throws(Forged) -> [UInt8] {
        if let url, let address = try? OutsideURL(url.split(separator: "#").first.map(String.init) ?? url) {
            let usual = address.scheme == .https ? 443 : 80
            let host =
                switch address.host {
                case .name(let name): name
                case .address(.v4(let value)): IPAddress.v4(value).description
                case .address(let other): "[\(other)]"
                }
            return Array((address.port == usual ? host : "\(host):\(address.port)").utf8)
        }
        return try single("Host").utf8.map(\.asciiLowercased)
    }
}

extension Collection<UInt8> {
    /// Without the blanks and tabs at both ends.
    var withoutBlanks: [UInt8] {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var bytes = Array(self.drop(while: isBlank))
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return bytes
    }
}
