import Kit

extension Gateway {
    /// Proves a delivery with the key that it names. No place at the database is held meanwhile.
    ///
    /// A remembered key that did not make the signature may have been replaced at its owner's: it is asked for once
    /// more, as often as the keys' keeper allows. For what says itself that it is past its time nobody is asked: it can
    /// only be a repetition of what is kept, which a remembered key proves.
    ///
    /// - Throws: `Forged`, or `KeyFailure.unavailable` where nobody can say now.
    func prove(
        _ delivery: Delivery, by proof: RemoteProof, of scheme: WebhookScheme, for provider: String,
        with secrets: [WebhookSecret]
    ) async throws -> SignedTime? {
        let need = try proof.need(delivery, secrets)
        do { _ = try scheme.belief(in: need.claimed, at: delivery.receivedAt) } catch {
            guard case .tooOld = error, let held = await keys.remembered(need, for: provider) else { throw error }
            return try proof.prove(delivery, secrets, held.found)
        }
        let key = try await obtain(need, proof, provider, newerThan: nil)
        let signed: SignedTime?
        do {
            signed = try proof.prove(delivery, secrets, key.found)
        } catch Forged.wrongSignature where key.isRemembered {
            let newer = try await obtain(need, proof, provider, newerThan: key)
            guard newer.fetchedAt > key.fetchedAt else { throw Forged.wrongSignature }
            signed = try proof.prove(delivery, secrets, newer.found)
        }
        await keys.proved(need, for: provider)
        return signed
    }

    private func obtain(
        _ need: KeyNeed, _ proof: RemoteProof, _ provider: String, newerThan seen: RemoteKey?
    ) async throws -> RemoteKey {
        do {
            return try await keys.key(need, by: proof, for: provider, newerThan: seen)
        } catch KeyFailure.refused(let reason) {
            throw Forged.untrustedKey(reason)
        }
    }
}
