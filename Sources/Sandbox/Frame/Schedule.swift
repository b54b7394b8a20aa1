/// What falls due at which second of the sandbox's clock; each key has one time.
struct Schedule: Sendable {
    /// Something to do, named by its platform.
    struct Due: Sendable, Equatable, Comparable {
        let at: Int64
        let key: String

        static func < (left: Self, right: Self) -> Bool {
            left.at == right.at ? left.key < right.key : left.at < right.at
        }
    }

    private(set) var times: [String: Int64] = [:]
    private var sorted: [Due] = []

    /// Sets a key's time, or takes it off.
    mutating func set(_ key: String, at time: Int64?) {
        if let old = times.removeValue(forKey: key) {
            let due = Due(at: old, key: key)
            let place = index(of: due)
            if sorted.indices.contains(place), sorted[place] == due { sorted.remove(at: place) }
        }
        guard let time else { return }
        times[key] = time
        let due = Due(at: time, key: key)
        sorted.insert(due, at: index(of: due))
    }

    /// The earliest, if it is due by then.
    func next(by time: Int64) -> Due? { sorted.first.flatMap { $0.at <= time ? $0 : nil } }

    private func index(of due: Due) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < due { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
