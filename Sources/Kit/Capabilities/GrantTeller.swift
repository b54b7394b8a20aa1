/// Tells by webhook that the owner of an account, or the platform, took a grant back.
public protocol GrantTeller: Connectable, WebhookSource {
    /// Why, in a word of ours, where the event says that; nil for every other event.
    func revocation(in event: EventContent) throws(Unreadable) -> String?
}
