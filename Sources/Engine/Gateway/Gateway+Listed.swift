public import Kit
public import Store

extension Gateway {
    /// An event that a platform's own list shows, as if it had been delivered: it goes through the same door. It is
    /// believed because we asked the platform ourselves.
    ///
    /// One that cannot be read is kept for a person, once, like a delivery that cannot be.
    ///
    /// - Parameter app: whose identities it is compared with: the app that its webhooks are proven by.
    /// - Throws: `Unreadable` where this program cannot read any of the platform's.
    public func listed(_ body: [UInt8], by provider: String, app: ID<AppKind>, from path: Path, at now: Timestamp)
        throws(Unreadable) -> Arrival
    {
        guard let scheme = scheme(of: provider, app: app) else {
            throw Unreadable("This program knows no webhooks of \(provider).")
        }
        let target = path.description
        let delivery = Delivery(method: "GET", target: target, headers: [], body: body, receivedAt: now)
        do {
            let events = try scheme.events(delivery)
            return arrival(events, body, from: provider, app: app, target: target, scheme, at: now)
        } catch {
            return unreadable(error, delivery, from: provider, app: app)
        }
    }

    private func unreadable(
        _ problem: Unreadable, _ delivery: Delivery, from provider: String, app: ID<AppKind>
    ) -> Arrival {
        let (id, now): (ID<DeliveryKind>, Timestamp) = (ids.make(), delivery.receivedAt)
        return Arrival(
            id: id, provider: provider, app: app, receivedAt: now, method: delivery.method,
            target: Array(delivery.target.utf8.prefix(2048)), headers: [], remote: nil, body: delivery.body,
            checksum: Checksum.of(delivery.body), flags: "listed unreadable", reason: problem.reason, events: [],
            review: review(of: id, provider: provider, problem: problem, at: now), unread: unread(delivery))
    }

    /// How often the same content of a listed object is an event.
    enum Once: Sendable {
        case aDay
        case aRun(ID<ReconciliationKind>)
        case ever
    }

    /// An object that a platform's own list shows, as an event that says how it is.
    ///
    /// - Parameter asOf: a moment of the platform's clock before which it surely was not read: what happened after it
    ///   counts over it.
    func listed(
        _ object: ListedObject, _ once: Once, by provider: String, app: ID<AppKind>, from path: Path, asOf: Timestamp,
        at now: Timestamp
    ) throws(Unreadable) -> Arrival {
        guard let scheme = scheme(of: provider, app: app) else {
            throw Unreadable("This program knows no webhooks of \(provider).")
        }
        let name = Array(object.type.utf8) + object.body
        let identity =
            switch once {
            case .aDay: EventIdentity(day: asOf.day, of: name)
            case .aRun(let run): EventIdentity(day: asOf.day, ofParts: [Array(run.text.utf8), name])
            case .ever: EventIdentity(day: 0, of: name)
            }
        let event = Event(
            identity: identity, type: object.type, subject: object.subject,
            occurredAt: asOf, isTest: object.isTest, body: object.body.indices)
        return arrival([event], object.body, from: provider, app: app, target: path.description, scheme, at: now)
    }

    private func arrival(
        _ events: [Event], _ body: [UInt8], from provider: String, app: ID<AppKind>, target: String,
        _ scheme: WebhookScheme, at now: Timestamp
    ) -> Arrival {
        let id: ID<DeliveryKind> = ids.make()
        let delivery = Delivery(method: "GET", target: target, headers: [], body: body, receivedAt: now)
        let flags = ["listed"] + (events.contains(where: \.isTest) ? ["test"] : [])
        return Arrival(
            id: id, provider: provider, app: app, receivedAt: now, method: delivery.method,
            target: Array(target.utf8.prefix(2048)), headers: [], remote: nil, body: body,
            checksum: Checksum.of(body), flags: flags.joined(separator: " "), reason: nil,
            events: events.map {
                arriving($0, provider: provider, app: app, delivery: delivery, body: id, scheme: scheme)
            }, review: nil)
    }
}
