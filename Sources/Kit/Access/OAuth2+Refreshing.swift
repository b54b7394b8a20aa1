extension OAuth2 {
    /// So long before an access token's end it is refreshed at the most.
    public static let aheadMax = Duration.minutes(15)
    /// A pause after a refresh that failed.
    public static let pause = Duration.seconds(30)

    /// When tokens are to be refreshed: ahead of the access token's end by the smaller of a fifth of its life and a
    /// quarter of an hour, half of the life for one shorter than five minutes; before an idle refresh token dies; never
    /// sooner than `pause` after they came. Nil for never.
    public func refreshTime(of tokens: Tokens, obtained: Timestamp) -> Timestamp? {
        guard tokens.refresh != nil else { return nil }
        let ahead = tokens.expiresAt.map { end -> Timestamp in
            let life = end - obtained
            return end - (refreshAhead.map { min($0, life / 2) } ?? Self.ahead(of: life))
        }
        // Half of what an idle token lives, so that one failed attempt after the other still finds it alive.
        let kept = idleLife.map { obtained + $0 / 2 }
        return [ahead, kept].compactMap { $0 }.min().map { max($0, obtained + Self.pause) }
    }

    private static func ahead(of life: Duration) -> Duration {
        life < .minutes(5) ? life / 2 : min(life / 5, aheadMax)
    }
}
