public import Kit

/// ActivityPub: what servers of the fediverse send to an inbox.
public struct ActivityPub: Provider {
    public let about = About(
        id: "activitypub", name: "ActivityPub", version: "2018-01-23",
        documentation: "https://www.w3.org/TR/activitypub/")

    public init() {}
}
