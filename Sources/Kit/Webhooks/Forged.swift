/// Why a delivery is not believed. Kept with it, so that a person sees it.
public enum Forged: Error, Sendable, Equatable {
    /// A header that the scheme needs is absent or empty.
    case missing(header: String)
    /// Libraries pick the first, the last or both joined; we pick none.
    case repeated(header: String)
    /// The header is not written as the scheme says. `problem` completes the sentence "The header …".
    case malformed(header: String, problem: String)
    /// The body is not written as the scheme says. `problem` completes the sentence "The body …".
    case malformedBody(problem: String)
    /// No active secret made any of its signatures.
    case wrongSignature
    /// The platform was asked, and says that it is not its own.
    case denied
    /// The body is what the platform's handshake has signed for anyone who asks.
    case challenge
    /// Nothing is configured that could prove a signature of this kind.
    case noSecret
    /// The signature leaves out something that must be signed to be believed.
    case uncovered(String)
    /// The signature covers a digest, and the body is another one.
    case wrongDigest
    /// The delivery names a key or certificate that proves nothing here. The text is a sentence that says why.
    case untrustedKey(String)
    /// The proof came before, with another body. Whoever sent it holds a good delivery.
    case usedProof
    /// Signed this long before it came. The signature itself is right.
    case tooOld(by: Duration, allowed: Duration)
    /// Signed this long after it came, by our clock. The signature itself is right.
    case tooFarAhead(by: Duration, allowed: Duration)

    /// For metrics and programs; never changes.
    public var code: String {
        switch self {
        case .missing: "missing_header"
        case .repeated: "repeated_header"
        case .malformed: "malformed_header"
        case .malformedBody: "malformed_body"
        case .wrongSignature: "wrong_signature"
        case .denied: "denied_by_platform"
        case .challenge: "challenge_as_body"
        case .noSecret: "no_secret"
        case .uncovered: "not_covered"
        case .wrongDigest: "wrong_digest"
        case .untrustedKey: "untrusted_key"
        case .usedProof: "used_proof"
        case .tooOld: "too_old"
        case .tooFarAhead: "too_far_ahead"
        }
    }

    /// What happened and what to do, for the operator.
    public var reason: String {
        switch self {
        case .missing(let header):
            "The header \(header) is missing: the sender is not the platform, or a proxy removed it."
        case .repeated(let header): "The header \(header) came more than once, and only one can be right."
        case .malformed(let header, let problem): "The header \(header) \(problem)."
        case .malformedBody(let problem): "The body \(problem)."
        case .wrongSignature:
            "No active secret made this signature. Compare the secret with what the platform shows for this address."
        case .denied:
            "The platform says that it did not send this to this address. Compare the id or secret that is set here "
                + "with what the platform shows for the address, and its mode."
        case .challenge:
            "The body is what the handshake signs for anyone who asks: its signature proves nothing."
        case .noSecret: "No secret is set that could prove this kind of signature."
        case .uncovered(let part): "The signature does not cover \(part), so nothing of this delivery can be believed."
        case .wrongDigest: "The body is not the one whose digest was signed: it was changed on the way."
        case .untrustedKey(let reason): reason
        case .usedProof:
            """
            This proof came before with another body, and its signature covers a checksum alone: someone has changed \
            a delivery of which they hold a copy. Look at who can read what the platform sends.
            """
        case .tooOld(let age, let allowed):
            """
            The signature is \(seconds(age)) s old, \(seconds(allowed)) s are allowed: \
            someone sent it again, or the clock here is fast.
            """
        case .tooFarAhead(let lead, let allowed):
            """
            The signature is \(seconds(lead)) s ahead of the clock here, \(seconds(allowed)) s are allowed: \
            check the clock.
            """
        }
    }

    private func seconds(_ duration: Duration) -> Int64 { duration.components.seconds }
}
