/// What needs a person, counted for the navigation.
public struct Attention: Sendable, Equatable {
    public var alerts = 0
    public var reviews = 0
    /// Each has an alert, too.
    public var failingEndpoints = 0

    public init() {}

    /// Of each kind this many are counted, and one more where there are more.
    public static let countMax = 99
    public var total: Int { alerts + reviews }
}

extension Session {
    public func attention() throws -> Attention {
        var attention = Attention()
        attention.alerts = try counted("alerts WHERE state <> 'resolved' AND state = 'open'")
        attention.reviews = try counted("reviews WHERE state <> 'decided'")
        attention.failingEndpoints = try counted("endpoints WHERE state = 'failing'")
        return attention
    }

    /// - Parameter rows: table and condition, which a partial index of ours or a small table carries.
    private func counted(_ rows: SQL) throws -> Int {
        try row("SELECT count(*) FROM (SELECT 1 FROM \(rows) LIMIT \(Attention.countMax + 1)) AS counted") {
            Int(try $0.integer())
        } ?? 0
    }
}
