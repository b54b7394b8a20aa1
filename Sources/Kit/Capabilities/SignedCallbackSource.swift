import Crypto

/// A platform that tells, at addresses beside its webhooks, what a person asked of it: each request proven, each
/// address with one meaning.
public protocol SignedCallbackSource: WebhookSource {
    var callbacks: [SignedCallback] { get }
}

/// One such address. What comes there is kept like a webhook, as an event of `type`.
public struct SignedCallback: Sendable {
    public enum Meaning: Sendable, Equatable {
        /// The account's owner took the grant back: its connections end.
        case grantRevoked
        /// The account's owner wants all that is kept of it erased. The platform is told a code, and an address where
        /// a person sees how far that is.
        case erase
    }

    /// From this server's address on: `/callbacks/meta/deauthorize`.
    public let path: String
    /// Of the event that a request becomes.
    public let type: String
    public let meaning: Meaning
    /// How a request is proven and read: one event, which names its account. The event's identity holds the signature,
    /// so that nobody who does not know the secret can guess `code(of:)`.
    public let scheme: WebhookScheme

    public init(_ path: String, _ type: String, _ meaning: Meaning, _ scheme: WebhookScheme) {
        self.path = path
        self.type = type
        self.meaning = meaning
        self.scheme = scheme
    }

    /// The code by which a person asks how far an erasure is: 32 hex digits, the same for the same request.
    public static func code(of event: Event) -> String {
        let hash = SHA256.hash(
            data: Array("confirmation/\(event.type)/\(event.identity.day)/".utf8) + event.identity.hash)
        return String(decoding: Hex.encode(Array(hash.prefix(16))), as: UTF8.self)
    }
}
