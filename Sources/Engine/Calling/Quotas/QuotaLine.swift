import Kit

/// Who waits for units of one key, in the order in which they get them.
///
/// The rank is the time of arrival plus the weight of the class: it never changes, and what has waited long comes
/// before what is more important and new. Urgent work and waiting persons go before all, whatever their age.
struct QuotaLine {
    /// More are served in no order; the line says "more than".
    static let placesMax = 1000
    /// Who was told a time and has not come back so long after it has given up.
    static let patience: Int64 = 5_000_000
    /// Whoever waits in several lines keeps its place in the others for so long; who waits for a day comes anew.
    static let elsewhereMax: Int64 = 60_000_000

    struct Place {
        let claimant: Claimant
        let rank: Int64
        var units: Int
        /// When it was told to come back.
        var until: Int64
    }
    private(set) var places: [Place] = []

    /// Units that go before a claimant: of those who stand in line before it.
    mutating func ahead(of claimant: Claimant, at now: Int64) -> Int {
        guard !places.isEmpty else { return 0 }
        places.removeAll { $0.until + Self.patience < now }
        if let index = places.firstIndex(where: { $0.claimant == claimant }) {
            return places[..<index].reduce(0) { $0 + $1.units }
        }
        let rank = Self.rank(claimant.priority, at: now)
        return places.reduce(0) { $1.rank <= rank ? $0 + $1.units : $0 }
    }

    /// Gives a claimant its place, or keeps the one it has.
    mutating func wait(_ claimant: Claimant, units: Int, until: Int64, at now: Int64) {
        if let index = places.firstIndex(where: { $0.claimant == claimant }) {
            places[index].until = until
            places[index].units = max(places[index].units, units)
            return
        }
        guard places.count < Self.placesMax else { return }
        let place = Place(
            claimant: claimant, rank: Self.rank(claimant.priority, at: now), units: units, until: until)
        places.insert(place, at: places.firstIndex { $0.rank > place.rank } ?? places.endIndex)
    }

    /// Keeps a place that it has for longer, and no longer than `elsewhereMax`: a line is not held up by who is away.
    mutating func stay(_ claimant: Claimant, until: Int64, at now: Int64) {
        let until = min(until, now + Self.elsewhereMax)
        guard let index = places.firstIndex(where: { $0.claimant == claimant }) else { return }
        places[index].until = max(places[index].until, until)
    }

    mutating func leave(_ claimant: Claimant) {
        guard !places.isEmpty else { return }
        places.removeAll { $0.claimant == claimant }
    }

    /// Microseconds by which a class stands behind one that came at the same time.
    private static func rank(_ priority: Priority, at now: Int64) -> Int64 {
        switch priority {
        case .urgent: now - (1 << 61)
        case .person: now - (1 << 60)
        case .event: now
        case .publishing: now + 60_000_000
        case .sync: now + 300_000_000
        case .analytics: now + 900_000_000
        }
    }
}
