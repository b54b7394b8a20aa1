/// A proof whose key stands elsewhere: the delivery says where, the platform's rules say whether that place counts, the
/// engine obtains it, and pure functions read and prove. Nothing here asks anybody anything.
public struct RemoteProof: Sendable {
    /// As people call it: `HTTP Signatures`.
    public let name: String
    /// The headers that carry the proof.
    public let headers: [String]
    /// How what is named is fetched.
    public let fetching: KeyFetching
    /// Which key the delivery needs. Throws what is wrong with the delivery, so that nothing is fetched for one that
    /// nothing could prove.
    public let need: @Sendable (Delivery, [WebhookSecret]) throws(Forged) -> KeyNeed
    /// From the documents fetched so far, in order, to the key, or to the next document.
    public let read: @Sendable (KeyNeed, [KeyDocument], KeyTrust) async throws(BadKey) -> KeyStep
    /// Proves the signature, or throws; gives the time that it covers, where it covers one.
    public let prove: @Sendable (Delivery, [WebhookSecret], FoundKey) throws(Forged) -> SignedTime?

    public init(
        _ name: String, headers: [String], fetching: KeyFetching,
        need: @escaping @Sendable (Delivery, [WebhookSecret]) throws(Forged) -> KeyNeed,
        read: @escaping @Sendable (KeyNeed, [KeyDocument], KeyTrust) async throws(BadKey) -> KeyStep,
        prove: @escaping @Sendable (Delivery, [WebhookSecret], FoundKey) throws(Forged) -> SignedTime?
    ) {
        self.name = name
        self.headers = headers
        self.fetching = fetching
        self.need = need
        self.read = read
        self.prove = prove
    }
}

/// A key that a delivery names.
public struct KeyNeed: Sendable, Equatable {
    /// The key's whole name: what it is remembered by.
    public let name: String
    /// Where the first document about it stands.
    public let url: String
    /// What the delivery says of its time, not proven yet: for one that is past its time nobody is asked.
    public let claimed: SignedTime?

    public init(name: String, url: String, claimed: SignedTime? = nil) {
        self.name = name
        self.url = url
        self.claimed = claimed
    }
}

/// How documents about keys are fetched. Whatever a platform says, the engine's own limits hold too.
public struct KeyFetching: Sendable, Equatable {
    /// What `Accept` says.
    public let accepts: String
    /// In bytes; a longer document is none.
    public let documentMax: Int
    /// Documents for one key.
    public let documentsMax: Int
    /// Redirects for one document; each address is checked as the first was.
    public let redirectsMax: Int
    /// How long a key is remembered, where nothing ends it before.
    public let life: Duration
    /// How long it is remembered that a name leads to no key.
    public let refusalLife: Duration
    /// The documents are certificates, so roots are needed to trust them.
    public let bringsCertificates: Bool

    public init(
        accepts: String, documentMax: Int, documentsMax: Int, redirectsMax: Int, life: Duration, refusalLife: Duration,
        bringsCertificates: Bool = false
    ) {
        self.accepts = accepts
        self.documentMax = documentMax
        self.documentsMax = documentsMax
        self.redirectsMax = redirectsMax
        self.life = life
        self.refusalLife = refusalLife
        self.bringsCertificates = bringsCertificates
    }
}

/// What stood at an address.
public struct KeyDocument: Sendable, Equatable {
    /// The address that answered, after all redirects.
    public let url: String
    /// In small letters, with its parameters; empty where none was named.
    public let contentType: String
    public let body: [UInt8]

    public init(url: String, contentType: String, body: [UInt8]) {
        self.url = url
        self.contentType = contentType
        self.body = body
    }
}

/// What comes after a document.
public enum KeyStep: Sendable {
    case fetch(url: String)
    case found(FoundKey)
}

/// A key, and whose it is.
public struct FoundKey: Sendable {
    public let key: PublicKey
    /// Who signs with it, by the name that the delivery's content uses; nil where there is no such name.
    public let owner: String?
    /// Not believed any more after this; nil where it names no end.
    public let until: Timestamp?

    public init(_ key: PublicKey, owner: String? = nil, until: Timestamp? = nil) {
        self.key = key
        self.owner = owner
        self.until = until
    }
}

/// What documents about keys are held to.
public struct KeyTrust: Sendable {
    /// Who checks chains of certificates; nil where this server has no list of roots.
    public let certificates: (any CertificateChecking)?
    public let now: Timestamp

    public init(certificates: (any CertificateChecking)?, now: Timestamp) {
        self.certificates = certificates
        self.now = now
    }
}
