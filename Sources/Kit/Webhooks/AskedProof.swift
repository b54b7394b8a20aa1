/// A proof that only the platform can give: it is asked whether a delivery is its own. What can be judged without it is
/// judged before, by a pure function; what is asked is a call like any other, sent by the engine.
public struct AskedProof: Sendable {
    /// As people call it: `PayPal's verification API`.
    public let name: String
    /// The headers that carry what the platform is asked about.
    public let headers: [String]
    /// Where the platform is asked, without a slash at its end.
    public let address: String
    /// The app of the settings, by whose token it is asked; nil where none is set. Apps that were added through the API
    /// have their own.
    public let client: ClientCredentials?
    /// What is asked about a delivery. Throws what is wrong with it, so that nobody is asked about one that nothing
    /// could prove.
    public let question: @Sendable (Delivery, [WebhookSecret]) throws(Forged) -> ProofQuestion

    public init(
        _ name: String, headers: [String], address: String, client: ClientCredentials?,
        question: @escaping @Sendable (Delivery, [WebhookSecret]) throws(Forged) -> ProofQuestion
    ) {
        self.name = name
        self.headers = headers
        self.address = address
        self.client = client
        self.question = question
    }
}

/// What a platform is asked about one delivery.
public struct ProofQuestion: Sendable {
    /// Asked in turn until one is answered with yes: one for each secret that the delivery may belong to.
    public let calls: [Call<Bool>]
    /// The time that the delivery says of itself; covered by the proof, so it counts once the platform has said yes.
    public let claimed: SignedTime?

    public init(_ calls: [Call<Bool>], claimed: SignedTime?) {
        self.calls = calls
        self.claimed = claimed
    }
}
