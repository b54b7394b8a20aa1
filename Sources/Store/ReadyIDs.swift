public import Kit

/// Ids made before a transaction begins, for closures that may run more than once and must then write the same.
public struct ReadyIDs: Sendable {
    private var changes: [ID<ChangeKind>]
    private var reviews: [ID<ReviewKind>]

    /// - Parameters: how many of each a closure needs at most.
    public init(_ ids: Identifiers, changes: Int = 16, reviews: Int = 2) {
        self.changes = (0..<changes).map { _ in ids.make() }.reversed()
        self.reviews = (0..<reviews).map { _ in ids.make() }.reversed()
    }

    public mutating func change() throws -> ID<ChangeKind> {
        guard let id = changes.popLast() else { throw StoreError.statement("too few ids were made for the changes") }
        return id
    }
    public mutating func review() throws -> ID<ReviewKind> {
        guard let id = reviews.popLast() else { throw StoreError.statement("too few ids were made for the reviews") }
        return id
    }
}
