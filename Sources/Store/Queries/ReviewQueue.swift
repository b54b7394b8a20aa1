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

    /// Kinds of open reviews, the one that waits longest first.
    private static var kindsMax: Int { 50 }

    /// How many wait of each kind, each counted to `reviewsMax` and one more; the kind that waits longest first.
    public func openReviewKinds() throws -> [ReviewsOfKind] {
        try kindsOfOpenReviews().compactMap(reviews).sorted { $0.oldest < $1.oldest }
    }

    /// From kind to kind along the index, so that the many of one hide no other.
    func kindsOfOpenReviews() throws -> [String] {
        try rows(
            """
            WITH RECURSIVE kinds(kind) AS (
                SELECT min(kind) FROM reviews WHERE state <> 'decided'
                UNION ALL
                SELECT (SELECT min(r.kind) FROM reviews r WHERE r.state <> 'decided' AND r.kind > kinds.kind)
                  FROM kinds WHERE kinds.kind IS NOT NULL)
            SELECT kind FROM kinds WHERE kind IS NOT NULL LIMIT \(Self.kindsMax)
            """
        ) { try $0.text() }
    }

    private func reviews(of kind: String) throws -> ReviewsOfKind? {
        let count = try row(
            """
            SELECT count(*) FROM (SELECT 1 FROM reviews WHERE state <> 'decided' AND kind = \(kind)
                                   LIMIT \(Self.reviewsMax + 1)) AS waiting
            """
        ) { Int(try $0.integer()) }
        let oldest = try row("SELECT min(id) FROM reviews WHERE state <> 'decided' AND kind = \(kind)") {
            try $0.optionalText()
        }
        guard let oldest = oldest ?? nil else { return nil }
        return ReviewsOfKind(kind: kind, count: count ?? 0, oldest: ID(stored: oldest))
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
