public import Kit

/// `authorization.removed`: the token is dead already. Source: developers.tiktok.com/doc/webhooks-events.
extension TikTok: GrantTeller {
    static let grantEvents: EventTypes = ["authorization.removed"]

    public func revocation(in event: EventContent) throws(Unreadable) -> String? {
        guard Self.grantEvents.contains(event.type) else { return nil }
        let content: JSON
        do {
            // A text that holds JSON.
            content = try JSON.parse(try JSON.parse(event.body)["content"]?.text ?? "{}")
        } catch { throw Unreadable(error.sentence) }
        return switch content["reason"]?.integer {
        case 1: "removed_by_owner"
        case 2: "account_deleted"
        case 3: "age_changed"
        case 4: "account_banned"
        case 5: "removed_by_developer"
        default: "removed_at_platform"
        }
    }
}
