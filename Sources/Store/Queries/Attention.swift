public import Kit

/// What needs a person, counted for the navigation.
public struct Attention: Sendable, Equatable {
    public var alerts = 0
    public var reviews = 0
    /// Different kinds of open reviews: what needs a person once.
    public var reviewKinds = 0
    public var failingEndpoints = 0
    /// Connections of which the application was told; each has an alert, too.
    public var connections = 0

    public init() {}

    /// Of each kind this many are counted, and one more where there are more.
    public static let countMax = 99
    public var total: Int { alerts + reviewKinds + failingEndpoints }
}

/// What needs a person, to be shown.
public struct AttentionList: Sendable {
    /// Open reviews of one kind.
    public struct Reviews: Sendable, Equatable {
        public let kind: String
        /// At most `Session.reviewsMax` and one more.
        public let count: Int
        public let oldest: ID<ReviewKind>
        /// The oldest.
        public let first: Review
    }
    public var alerts: [AlertRow] = []
    public var reviews: [Reviews] = []
    /// Failing ones.
    public var endpoints: [Endpoint] = []
    /// With those that are not shown.
    public var counted = Attention()

    public init() {}

    /// Of each kind.
    static let shown = 20
}

extension Session {
    public func attention() throws -> Attention {
        var attention = Attention()
        attention.alerts = try counted("alerts WHERE state <> 'resolved' AND state = 'open'")
        attention.reviews = try counted("reviews WHERE state <> 'decided'")
        attention.reviewKinds = try kindsOfOpenReviews().count
        attention.connections = try counted("oauth_accounts WHERE attention IS NOT NULL AND deleted_at IS NULL")
        attention.failingEndpoints = try counted("endpoints WHERE state = 'failing'")
        return attention
    }

    /// - Parameter rows: table and condition, which a partial index of ours or a small table carries.
    private func counted(_ rows: SQL) throws -> Int {
        try row("SELECT count(*) FROM (SELECT 1 FROM \(rows) LIMIT \(Attention.countMax + 1)) AS counted") {
            Int(try $0.integer())
        } ?? 0
    }

    public func attentionList() throws -> AttentionList {
        var list = AttentionList()
        list.counted = try attention()
        let alerts = try rows(
            """
            SELECT id FROM alerts WHERE state <> 'resolved' AND state = 'open' ORDER BY id LIMIT \(AttentionList.shown)
            """
        ) { row -> ID<AlertKind> in try row.id() }
        list.alerts = try alerts.compactMap { try alert($0) }
        for kind in try openReviewKinds().prefix(AttentionList.shown) {
            guard let oldest = try reviewRow(kind.oldest) else { continue }
            list.reviews.append(
                AttentionList.Reviews(kind: kind.kind, count: kind.count, oldest: kind.oldest, first: oldest))
        }
        list.endpoints = Array(
            try endpoints(state: "failing", ListPage(limit: AttentionList.shown)).prefix(AttentionList.shown))
        return list
    }
}
