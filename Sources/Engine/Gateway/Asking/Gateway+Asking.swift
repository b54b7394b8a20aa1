import Kit

extension Gateway {
    /// Proves a delivery by its platform's word. No place at the database is held meanwhile.
    ///
    /// Nobody is asked about what would be refused whatever the platform says: what is not written as it should be, is
    /// past its time, or ahead of it.
    ///
    /// - Throws: `Forged`, or `AskFailure` where nobody knows.
    func prove(
        _ delivery: Delivery, by proof: AskedProof, of scheme: WebhookScheme, from sender: Sender,
        with owned: OwnedSecrets
    ) async throws -> SignedTime? {
        let question = try proof.question(delivery, owned.secrets)
        _ = try scheme.belief(in: question.claimed, at: delivery.receivedAt)
        let isOfSettings = ID<AppKind>(sender.owner ?? "") == nil
        let asked = AskedDelivery(
            provider: sender.provider, question: question, address: proof.address, app: owned.app,
            client: isOfSettings ? proof.client : nil,
            network: sender.address.flatMap { SenderNetwork($0) }?.text ?? "")
        guard try await asking.isGenuine(asked) else { throw Forged.denied }
        return question.claimed
    }
}
