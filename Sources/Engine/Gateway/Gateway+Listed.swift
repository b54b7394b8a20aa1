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
            return unreadable(error, body, from: provider, app: app, target: target, at: now)
        }
    }

    private func unreadable(
        _ problem: Unreadable, _ body: [UInt8], from provider: String, app: ID<AppKind>, target: String,
        at now: Timestamp
    ) -> Arrival {
        let id: ID<DeliveryKind> = ids.make()
        // By its content: it is listed again and again, for as long as the platform remembers it.
        let event = Event(
            identity: EventIdentity(day: 0, of: Array("unreadable ".utf8) + body), type: "unreadable", occurredAt: now,
            body: body.indices)
        return Arrival(
            id: id, provider: provider, app: app, receivedAt: now, method: "GET",
            target: Array(target.utf8.prefix(2048)),
            headers: [], remote: nil, body: body, checksum: Checksum.of(body), flags: "listed unreadable",
            reason: problem.reason, events: [], review: review(of: id, provider: provider, problem: problem, at: now),
            unread: ArrivingEvent(id: ids.make(), event: event, job: nil, change: nil))
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
