public import Kit
public import Store

/// Orders webhooks at platforms that take such orders by API: registers, looks after, repairs and removes one
/// subscription an app.
///
/// A platform shows the secret once, in the answer to the call that makes the subscription. Where that answer is lost,
/// or this process ends before it is kept, the subscription stands with a secret that nobody knows. So each carries a
/// mark, the app's id; whatever carries it and is not the one whose secret is kept is removed before another is made.
public struct Subscribing: Sendable {
    /// An app whose subscription can be looked after: what its platform is, and who asks it.
    public struct Platform: Sendable {
        let source: any SubscriptionSource
        let caller: Caller

        public init(_ source: any SubscriptionSource, caller: Caller) {
            self.source = source
            self.caller = caller
        }
    }

    /// Why nothing can be ordered, in a sentence for the operator.
    public struct Refusal: Error, Sendable, Equatable {
        public let sentence: String
        public init(_ sentence: String) { self.sentence = sentence }
    }

    /// Pages of a platform's list that are read; more subscriptions than they hold nobody has.
    private static let pagesMax = 20

    public let platforms: [ID<AppKind>: Platform]
    private let base: Result<String, Refusal>

    /// - Parameter base: this server's address as platforms reach it, or why none does.
    public init(_ platforms: [ID<AppKind>: Platform], base: Result<String, Refusal>) {
        self.platforms = platforms
        self.base = base
    }

    /// What the platform is to have for an app.
    public func wanted(_ app: AppRow) throws(Refusal) -> WantedSubscription {
        guard let platform = platforms[app.id] else {
            throw Refusal("\(app.provider) takes no orders for webhooks by API, or the key to order them is not set.")
        }
        return WantedSubscription(
            url: try base.get() + app.webhookPath, events: platform.source.subscribedEvents,
            version: platform.source.subscribedVersion, mark: app.id.text)
    }

    /// What would be done now; asks the platform, and changes nothing.
    public func plan(_ app: AppRow, known: String?) async throws -> SubscriptionPlan {
        let wanted = try wanted(app)
        return SubscriptionPlan(
            wanted, known: known, among: try await standing(app),
            changeable: platforms[app.id]?.source.changeableAspects ?? [])
    }

    /// All that stands at the platform, whoever made it.
    func standing(_ app: AppRow) async throws -> [RemoteSubscription] {
        var (found, cursor): ([RemoteSubscription], String?) = ([], nil)
        for _ in 0..<Self.pagesMax {
            let page = try await ask(app) { $0.subscriptions(after: cursor) }
            found += page.subscriptions
            guard let next = page.next, next != cursor else { return found }
            cursor = next
        }
        return found
    }

    func ask<Output>(_ app: AppRow, _ call: (any SubscriptionSource) -> Call<Output>) async throws -> Output {
        guard let platform = platforms[app.id] else {
            throw Refusal("\(app.provider) cannot be asked: its key is not set.")
        }
        var context = CallContext("webhook_subscription", as: Claimant(app.provider, .event))
        context.subject = app.id.text
        return try await platform.caller.ask(call(platform.source), in: context).output
    }

    /// One that is gone already is as good as removed.
    func remove(_ id: String, _ app: AppRow) async throws {
        do { _ = try await ask(app) { $0.unsubscribe(id) } } catch CallProblem.failed(let failure)
            where failure.kind == .notFound
        {}
    }
}
