public import Kit

/// Open reviews of one kind.
public struct ReviewsOfKind: Sendable, Equatable {
    public let kind: String
    public let count: Int
    public let oldest: ID<ReviewKind>
}

extension Session {
    /// Open reviews that are looked at for the queue: more is shown as more.
    public static var reviewsMax: Int { 1000 }

    /// Open reviews, the oldest first. The partial index holds only these.
    public func openReviews(of kind: String? = nil, after id: String = "", until: Timestamp? = nil, limit: Int) throws
        -> [Review]
    {
        let ofKind: SQL = kind.map { "AND kind = \($0)" } ?? ""
        let before: SQL = until.map { "AND opened_at <= \($0)" } ?? ""
        return try rows(
            """
            SELECT \(Self.reviewColumns) FROM reviews
             WHERE state <> 'decided' AND id > \(id) \(ofKind) \(before)
             ORDER BY id
             LIMIT \(limit)
            """, Self.review)
    }

    /// How many wait of each kind, counted to `reviewsMax` together.
    public func openReviewKinds() throws -> [ReviewsOfKind] {
        try rows(
            """
            SELECT kind, count(*), min(id)
              FROM (SELECT kind, id FROM reviews WHERE state <> 'decided' LIMIT \(Self.reviewsMax)) AS waiting
             GROUP BY kind
             ORDER BY min(id)
            """
        ) { row in
            ReviewsOfKind(kind: try row.text(), count: Int(try row.integer()), oldest: try row.id())
        }
    }

    /// The reviews that were decided last, by when they were opened; among the newest `reviewsMax`.
    public func decidedReviews(limit: Int) throws -> [Review] {
        try rows(
            """
            SELECT \(Self.reviewColumns)
              FROM (SELECT \(Self.reviewColumns) FROM reviews ORDER BY id DESC LIMIT \(Self.reviewsMax)) AS newest
             WHERE state = 'decided'
             ORDER BY decided_at DESC, id
             LIMIT \(limit)
            """, Self.review)
    }
}
