import Crypto
import Kit

/// Who asks platforms whether they sent a delivery.
public protocol ProofAsking: Sendable {
    /// What the platform says of it, now or before.
    func isGenuine(_ asked: AskedDelivery) async throws(AskFailure) -> Bool
}

/// A delivery that only its platform can prove, and who must be asked as whom.
public struct AskedDelivery: Sendable {
    let provider: String
    let question: ProofQuestion
    /// Where the platform is asked.
    let address: String
    let app: ID<AppKind>
    /// Who the app is, where the settings say; nil for one that was added through the API.
    let client: ClientCredentials?
    /// The network that it came from; empty where that is no address.
    let network: String

    /// The same for the same bytes to the same app, so that what is sent again asks nobody.
    var digest: [UInt8] {
        var hash = SHA256()
        hash.update(data: Array("\(provider) \(app) \(address)".utf8))
        for call in question.calls {
            hash.update(data: Array("\n\(call.outgoing.path.description) \(call.outgoing.body.count)\n".utf8))
            hash.update(data: call.outgoing.body)
        }
        return Array(hash.finalize())
    }
}

/// Why nobody knows whether a delivery is genuine.
public enum AskFailure: Error, Sendable, Equatable {
    /// The platform could not be asked, or did not answer: it must send again.
    case unavailable(String)
    /// Too many that came from there were not genuine: it is not asked about more of them for so long.
    case limited(Duration)
}

/// Asks nobody: for tools that have no network.
public struct NobodyAsked: ProofAsking {
    public init() {}

    public func isGenuine(_ asked: AskedDelivery) async throws(AskFailure) -> Bool {
        throw .unavailable("Nobody is asked here.")
    }
}
