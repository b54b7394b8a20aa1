public import Kit
import Store

/// Orders webhooks account by account, at platforms that send an account's events only where its own token asked for
/// them: makes, looks after, repairs and removes one subscription a connection.
///
/// No secret comes of it, so nothing is lost with a lost answer: what stands already is taken over.
public struct AccountSubscribing: Sendable {
    /// Pages of a platform's list that are read.
    private static let pagesMax = 20

    let sources: [String: any AccountSubscriptionSource]
    private let caller: ConnectionCaller
    private let base: Result<String, Subscribing.Refusal>

    /// - Parameter base: this server's address as platforms reach it, or why none does.
    public init(
        _ sources: [any AccountSubscriptionSource], caller: ConnectionCaller,
        base: Result<String, Subscribing.Refusal>
    ) {
        self.sources = Dictionary(uniqueKeysWithValues: sources.map { ($0.about.id, $0) })
        self.caller = caller
        self.base = base
    }

    /// What is asked, of which platform, on whose behalf.
    struct Place: Sendable {
        let declaration: any SubscriptionDeclaration
        let errand: ConnectionCaller.Errand
    }

    /// Nil where the platform needs no such order.
    func place(of connection: ConnectionRow) -> Place? {
        sources[connection.provider].map { source in
            Place(
                declaration: source.subscription(of: connection.openID),
                errand: .init(
                    connection: connection.id.text, account: connection.openID, userID: connection.userID,
                    app: connection.app.text, provider: connection.provider, purpose: "webhook_subscription",
                    claimant: Claimant(connection.id.text, .event), subject: connection.id.text))
        }
    }

    func wanted(_ place: Place, _ app: AppRow, for connection: ConnectionRow) throws -> WantedSubscription {
        WantedSubscription(
            url: try base.get() + app.webhookPath, events: place.declaration.subscribedEvents,
            version: place.declaration.subscribedVersion, mark: connection.id.text)
    }

    /// One look, and at most one change at the platform.
    ///
    /// - Parameter known: the platform's id of the one that was made before.
    /// - Returns: the id of the one that stands as wanted; nil where something was changed, and it must be looked at
    ///   once more.
    func step(_ place: Place, _ wanted: WantedSubscription, known: String?) async throws -> String? {
        let standing = try await standing(place, caller).map { $0.marked(wanted.mark) }
        let own = standing.contains { $0.id == known } ? known : standing.first?.id
        let plan = SubscriptionPlan(
            wanted, known: own, among: standing, changeable: place.declaration.changeableAspects)
        switch plan.steps.first {
        case nil: return own
        case .register?: _ = try await ask(place, caller) { $0.subscribe(wanted) }
        case .change(let id)?: _ = try await ask(place, caller) { $0.change(id, to: wanted) }
        // An account has one: the next is made when this is gone.
        case .remove(let id)?, .replace(let id)?: try await remove(id, place, caller)
        }
        return nil
    }

    /// Takes away what stands for an account whose grant is about to be taken back. False where it must be tried again.
    func remove(of held: CredentialRow, with token: Secret) async -> Bool {
        guard let source = sources[held.provider] else { return true }
        let place = Place(
            declaration: source.subscription(of: held.openID),
            errand: .init(
                connection: held.id.text, account: held.openID, userID: nil, app: held.app.text,
                provider: held.provider,
                purpose: "webhook_subscription", claimant: Claimant(held.id.text, .event), subject: held.id.text))
        let caller = caller.bearing(token)
        do {
            for one in try await standing(place, caller) { try await remove(one.id, place, caller) }
            return true
        } catch CallProblem.failed(let failure) {
            return !failure.passes  // What the platform refuses now it will refuse later.
        } catch {
            return false
        }
    }

    private func standing(_ place: Place, _ caller: ConnectionCaller) async throws -> [RemoteSubscription] {
        var (found, cursor): ([RemoteSubscription], String?) = ([], nil)
        for _ in 0..<Self.pagesMax {
            let page = try await ask(place, caller) { $0.subscriptions(after: cursor) }
            found += page.subscriptions
            guard let next = page.next, next != cursor else { return found }
            cursor = next
        }
        return found
    }

    private func ask<Output>(
        _ place: Place, _ caller: ConnectionCaller, _ call: (any SubscriptionDeclaration) -> Call<Output>
    ) async throws -> Output {
        try await caller.ask(call(place.declaration), on: place.errand).output
    }

    /// One that is gone already is as good as removed.
    private func remove(_ id: String, _ place: Place, _ caller: ConnectionCaller) async throws {
        do { _ = try await ask(place, caller) { $0.unsubscribe(id) } } catch CallProblem.failed(let failure)
            where failure.kind == .notFound
        {}
    }
}

extension RemoteSubscription {
    /// All that an account's list shows is ours.
    fileprivate func marked(_ mark: String) -> RemoteSubscription {
        RemoteSubscription(
            id: id, url: url, events: events, version: version, isEnabled: isEnabled, mark: mark, secret: secret)
    }
}
