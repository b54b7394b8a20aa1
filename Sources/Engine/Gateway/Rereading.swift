public import Kit
public import Store

extension Gateway {
    /// Reads a kept delivery that nobody could read, as it would be read if it came now: with what this program has
    /// learnt since. It was believed when it came; that is not asked again.
    ///
    /// - Throws: `Unreadable` where it is so still.
    public func reread(_ kept: KeptDelivery) throws(Unreadable) -> Arrival {
        let delivery = kept.delivery
        let callback = routes.callback(at: delivery.target)
        guard let scheme = scheme(of: kept.provider, app: kept.app, at: delivery.target) else {
            throw Unreadable("This program knows no webhooks of \(kept.provider).")
        }
        let events = try scheme.events(delivery)
        let flags = [kept.isLate ? "late" : nil, events.contains(where: \.isTest) ? "test" : nil].compactMap { $0 }
        return Arrival(
            id: kept.id, provider: kept.provider, app: kept.app, receivedAt: delivery.receivedAt,
            method: delivery.method, target: [], headers: [], remote: nil, body: delivery.body,
            checksum: Checksum.of(delivery.body), flags: flags.isEmpty ? nil : flags.joined(separator: " "),
            reason: nil,
            events: events.map {
                arriving(
                    $0, provider: kept.provider, app: kept.app, delivery: delivery, body: kept.id, scheme: scheme,
                    callback: callback)
            }, review: nil)
    }
}
