import Kit
import Store

extension Gateway {
    /// What is told to whoever proved nothing: noted for a person, or only counted where too many came.
    ///
    /// - Parameter route: where it came.
    func refuse(
        _ delivery: Delivery, as forged: Forged, for provider: String, owner: String?, scheme: WebhookScheme,
        route: String, from remote: String?
    ) -> Reply {
        if let excess = failures.excess(from: remote, to: route, at: delivery.receivedAt) {
            metrics.limited(provider, excess.of)
            return .limited(retryAfter: excess.wait)
        }
        metrics.refused(provider, forged)
        let diagnosis = Diagnosis(routes: routes, provider: provider, scheme: scheme, isLive: !takesTestEvents)
        rejections.note(
            delivery, for: provider, forged: forged, id: ids.make(), from: remote, headers: scheme.signatureHeaders
        ) { [secrets] in
            await diagnosis.advice(on: delivery, forged: forged, owner: owner, secrets: secrets)
        }
        return .refused(forged)
    }
}
