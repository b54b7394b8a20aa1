/// What an HTTP signature must be like to be believed: which writing, what it covers, how old, by which algorithm.
///
/// Both writings are there: draft-cavage-http-signatures-12, which most of the fediverse sends, and RFC 9421.
public struct HTTPSignatureRules: Sendable {
    /// What must be covered by the signature. More may be.
    public struct Coverage: Sendable, Equatable {
        public let always: [String]
        /// Besides, where the request has a method that has a body: nothing else may have one that counts.
        public let withBody: [String]

        public init(always: [String], withBody: [String]) {
            self.always = always
            self.withBody = withBody
        }
    }

    /// For how long a signature is good.
    public struct Window: Sendable, Equatable {
        /// How far two clocks may be apart, in either direction.
        public let skew: Duration
        /// From its making, where it names no end.
        public let usual: Duration
        /// From its making, whatever end it names.
        public let most: Duration

        public init(skew: Duration, usual: Duration, most: Duration) {
            self.skew = skew
            self.usual = usual
            self.most = most
        }
    }

    /// What a name of an algorithm stands for.
    public enum Algorithm: Sendable, Hashable {
        /// Whatever fits the key (`hs2019`).
        case byKey
        case fixed(SignatureAlgorithm)
    }

    /// Nil where the draft's signatures are not believed.
    public let draft: Coverage?
    /// Nil where RFC 9421's signatures are not believed.
    public let rfc9421: Coverage?
    /// The names that a signature may give its algorithm; another one is refused. Without a name the key decides.
    public let algorithms: [String: Algorithm]
    /// What each kind of key signs with; a kind that is not here proves nothing.
    public let byKey: [PublicKey.Kind: SignatureAlgorithm]
    public let window: Window

    public init(
        draft: Coverage?, rfc9421: Coverage?, algorithms: [String: Algorithm],
        byKey: [PublicKey.Kind: SignatureAlgorithm], window: Window
    ) {
        self.draft = draft
        self.rfc9421 = rfc9421
        self.algorithms = algorithms
        self.byKey = byKey
        self.window = window
    }

    /// The algorithm that proves this signature with this key; nil where the two do not fit.
    func algorithm(named name: String?, with key: PublicKey) -> SignatureAlgorithm? {
        let usual = byKey[key.kind]
        guard let name else { return usual }
        switch algorithms[name] {
        case .byKey: return usual
        case .fixed(let algorithm): return algorithm == usual ? usual : nil
        case nil: return nil
        }
    }
}

/// A time that a signature covers, and how long after it the signature is good where it says so itself.
public struct SignedTime: Sendable, Equatable {
    public let at: Timestamp
    public let goodFor: Duration?

    public init(_ at: Timestamp, goodFor: Duration? = nil) {
        self.at = at
        self.goodFor = goodFor
    }
}
