import Engine
import Kit
import Store

/// Compares what the simulated platform was promised with what is kept: each event that was acknowledged, by its id.
struct Witness: Sendable {
    /// What a comparison found.
    struct Count: Sendable, Equatable {
        var acknowledged = 0
        var found = 0
    }

    private struct Batch {
        let at: Timestamp
        let events: [String]
    }

    /// The sandbox's control interface, and the address whose answers count.
    let control: String
    let webhookURL: String
    private var next = 0
    private var batches: [Batch] = []
    /// What was compared and let go, so that the memory has a bound.
    private var older = Count()

    /// Events that are compared again and again.
    private static let keptMax = 50_000

    init(control: String, webhookURL: String) {
        self.control = control
        self.webhookURL = webhookURL
    }

    /// Asks what was acknowledged meanwhile.
    mutating func look(at now: Timestamp) async throws {
        while true {
            let answer = try await Loopback.json("GET", "\(control)/webhooks/acknowledged?after=\(next)")
            let position = Int(answer["next"]?.integer ?? 0)
            let rows = answer["data"]?.elements ?? []
            // A sandbox that was started anew counts from 0.
            if position < next {
                next = 0
                continue
            }
            next = position
            let events = rows.filter { $0["url"]?.text == webhookURL }.compactMap { $0["event"]?.text }
            if !events.isEmpty { batches.append(Batch(at: now, events: events)) }
            if rows.isEmpty { return }
        }
    }

    /// Looks for every one of them.
    mutating func count(in database: any Database, at now: Timestamp) async throws -> Count {
        var count = older
        let (found, wanted) = try await compare(batches, database, now)
        count.acknowledged += wanted
        count.found += found
        return count
    }

    /// Lets the oldest go, once they were found.
    mutating func trim(in database: any Database, at now: Timestamp) async throws {
        guard batches.reduce(0, { $0 + $1.events.count }) > Self.keptMax else { return }
        let half = Array(batches.prefix(batches.count / 2))
        let (found, wanted) = try await compare(half, database, now)
        older.acknowledged += wanted
        older.found += found
        batches.removeFirst(half.count)
    }

    private func compare(
        _ batches: [Batch], _ database: any Database, _ now: Timestamp
    ) async throws -> (found: Int, wanted: Int) {
        guard let first = batches.first else { return (0, 0) }
        let ids = Set(batches.flatMap(\.events))
        let kept = try await database.read("demo_witness") {
            try $0.kept(ids, of: "stripe", since: first.at - .minutes(5), at: now)
        }
        return (kept.count, ids.count)
    }
}
