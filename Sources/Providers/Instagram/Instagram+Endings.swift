public import Kit

/// What Meta ends: each version of the Graph API lives about two years from its release.
/// Source: developers.facebook.com/docs/graph-api/guides/versioning; v25.0 was released on 2026-02-18.
extension Instagram: Ageing {
    public var endings: [Ending] {
        [
            Ending(
                "graph-v25.0", .version("v25.0"), on: Day(2028, 2, 18), isAbout: true,
                instead: "Call a newer version of the Graph API, and read its change log for what is gone in it.",
                source: "https://developers.facebook.com/docs/graph-api/guides/versioning")
        ]
    }
}
