public import Kit

extension Gateway {
    /// What a GET of a platform is told.
    public enum HandshakeReply: Sendable, Equatable {
        case answered(WebhookAnswer)
        /// Not as the platform asks; the sentence is for the operator's log.
        case refused(Handshake.Refusal)
        /// The platform asks nothing: only deliveries come here.
        case none
        /// No such platform, or its secret is not set.
        case unknown
        case unavailable
    }

    /// Answers a platform that asks whether an address is ours. Writes nothing.
    ///
    /// - Parameter owner: as in `receive`. The tokens of the settings answer for every owner of a platform, since they
    ///   are the operator's, not the platform's.
    public func shake(_ delivery: Delivery, for provider: String, owner: String?) async -> HandshakeReply {
        guard let scheme = scheme(at: provider, owner) else { return .unknown }
        do {
            guard let owned = try await secrets.of(provider, owner: owner, scheme: scheme) else { return .unknown }
            guard let handshake = scheme.handshake else { return .none }
            do throws(Handshake.Refusal) {
                let answer = try handshake.answer(delivery, with: owned.secrets + secrets.tokens(of: provider))
                metrics.shook(provider, nil)
                return .answered(answer)
            } catch {
                metrics.shook(provider, error)
                return .refused(error)
            }
        } catch {
            return .unavailable
        }
    }
}
