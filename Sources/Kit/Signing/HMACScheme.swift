/// A signature made with a shared secret, described so that one function proves them all and one makes them.
///
///     HMACScheme("Stripe-Signature", .pairs(timestamp: "t", signature: "v1"), .sha256, .hex,
///                over: [.timestamp, .text("."), .body])
public struct HMACScheme: Sendable, Equatable {
    /// Beneath the HMAC. SHA-1 only for platforms that offer nothing else.
    public enum Hash: Sendable, Equatable { case sha1, sha256, sha512 }

    /// How the signature's bytes become text.
    public enum Encoding: Sendable, Equatable {
        /// Lower case only: any other text is not the signature.
        case hex
        /// All in capitals or all in small letters: where the platform writes capitals or says nothing.
        case hexAnyCase
        case base64
    }

    /// How the signature header is written.
    public enum Layout: Sendable, Equatable {
        /// The signature alone, after a fixed text: `sha256=ab12…`.
        case plain(prefix: String)
        /// `t=1700000000,v1=ab12…`, comma between; several signatures while a secret is rotated, other names ignored.
        /// Blanks around a member are part of it unless the platform says that they are not.
        case pairs(timestamp: String, signature: String, blanks: Bool = false)
        /// `v1,AbC= v1a,DeF=`, blank between; versions of other names are ignored. Ed25519 signs the same bytes.
        case versions(hmac: String, ed25519: String)
    }

    /// What is signed, in order.
    public enum Part: Sendable, Equatable {
        case body, timestamp, id
        /// The public name of the key that signs (`WebhookSecret.name`).
        case keyName
        case text(String)
    }

    /// The headers that carry the signature, and what is signed besides the body.
    public struct Headers: Sendable, Equatable {
        /// Where the signatures stand, written as `layout` says.
        public let signature: String
        /// Whole seconds since 1970, in a header of its own.
        public let timestamp: String?
        /// The message's id, signed with it.
        public let id: String?

        public init(signature: String, timestamp: String? = nil, id: String? = nil) {
            self.signature = signature
            self.timestamp = timestamp
            self.id = id
        }
        var all: [String] { [id, timestamp, signature].compactMap(\.self) }
    }

    /// Preferred first: the first set that is there as a whole counts, and no other.
    public let headers: [Headers]
    public let layout: Layout
    public let hash: Hash
    public let encoding: Encoding
    /// The signed bytes are these parts in a row, nothing between.
    public let content: [Part]
    /// What counts where the delivery has no signature header of this scheme: the first whose header is there. A
    /// signature that is there is never passed over for another.
    public let otherwise: [HMACScheme]
    /// Whether the signature may be over the body with its characters beyond ASCII written as escapes: as it was before
    /// a proxy wrote it anew. Tried once, where it fits the body as it came in no way.
    public var triesEscapes = false

    /// - Parameter headers: at least one set.
    public init(
        _ headers: [Headers], _ layout: Layout, _ hash: Hash, _ encoding: Encoding, over content: [Part],
        otherwise: [HMACScheme] = []
    ) {
        precondition(!headers.isEmpty, "a signature stands in some header")
        self.headers = headers
        self.layout = layout
        self.hash = hash
        self.encoding = encoding
        self.content = content
        self.otherwise = otherwise
    }

    /// The usual case: one header.
    public init(
        _ header: String, _ layout: Layout, _ hash: Hash, _ encoding: Encoding, over content: [Part],
        otherwise: [HMACScheme] = []
    ) {
        self.init([Headers(signature: header)], layout, hash, encoding, over: content, otherwise: otherwise)
    }
}

extension HMACScheme {
    /// The scheme that counts for this delivery: itself, or one of `otherwise` where its own headers are absent.
    func chosen(for delivery: Delivery) -> HMACScheme {
        guard !otherwise.isEmpty else { return self }
        func isThere(_ scheme: HMACScheme) -> Bool {
            scheme.headers.contains { delivery.headers[$0.signature] != nil }
        }
        return isThere(self) ? self : otherwise.first(where: isThere) ?? self
    }

    /// The headers that prove this delivery: the same for the proof and for what is read from it later. Where no set
    /// is whole, the one that has at least its signature, so that the message names what is missing.
    public func headers(of delivery: Delivery) -> Headers {
        guard headers.count > 1 else { return headers[0] }
        return headers.first { set in set.all.allSatisfy { delivery.headers[$0] != nil } }
            ?? headers.first { delivery.headers[$0.signature] != nil }
            ?? headers[headers.count - 1]
    }

    /// The id that the signature covers; nil where the scheme signs none.
    public func id(of delivery: Delivery) -> String? {
        headers(of: delivery).id.flatMap { delivery.headers[$0] }
    }
}
