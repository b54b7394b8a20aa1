public import Kit

/// How much came in each minute, newest last.
public struct TrafficHistory: Sendable, Equatable {
    /// When the first minute begins.
    public let from: Timestamp
    /// Deliveries that came, by minute, the refused ones among them.
    public var came: [Int]
    /// Of those that were refused and kept for a person.
    public var refused: [Int]
    /// Refused in the last hour, by provider.
    public var refusedLately: [String: Int] = [:]
    /// A busy minute is estimated from its first deliveries.
    public var isEstimate = false

    public init(from: Timestamp, came: [Int], refused: [Int], isEstimate: Bool = false) {
        self.from = from
        self.came = came
        self.refused = refused
        self.isEstimate = isEstimate
    }

    /// Deliveries of one minute that are counted.
    static let countedMax = 250
}

extension Session {
    /// The last `minutes` minutes before `end`, at a bounded cost: a busy minute is not counted to its end.
    public func traffic(minutes: Int, before end: Timestamp, of providers: [String]) throws -> TrafficHistory {
        let from = end - .minutes(Int64(minutes))
        var history = TrafficHistory(
            from: from, came: Array(repeating: 0, count: minutes), refused: Array(repeating: 0, count: minutes))
        for minute in 0..<minutes {
            let (begin, over) = (from + .minutes(Int64(minute)), from + .minutes(Int64(minute) + 1))
            let (counted, last) = try deliveriesCounted(from: begin, to: over)
            history.came[minute] = counted
            guard counted == TrafficHistory.countedMax, let last, last > begin else { continue }
            history.came[minute] = Int(Double(counted) * Duration.minutes(1).inSeconds / (last - begin).inSeconds)
            history.isEstimate = true
        }
        for provider in providers {
            for moment in try refusals(of: provider, after: from) {
                let minute = Int((moment - from).inSeconds / 60)
                if history.refused.indices.contains(minute) { history.refused[minute] += 1 }
                if end - moment < .hours(1) { history.refusedLately[provider, default: 0] += 1 }
            }
        }
        return history
    }

    private func deliveriesCounted(from: Timestamp, to: Timestamp) throws -> (count: Int, last: Timestamp?) {
        let (first, end) = (ID<DeliveryKind>.floor(from), ID<DeliveryKind>.floor(to))
        return try row(
            """
            SELECT count(*), max(id)
              FROM (SELECT id FROM deliveries WHERE id >= \(first) AND id < \(end) ORDER BY id
                     LIMIT \(TrafficHistory.countedMax)) AS counted
            """
        ) { row in
            let (count, last) = (Int(try row.integer()), try row.optionalID(DeliveryKind.self))
            return (count, last?.madeAt)
        } ?? (0, nil)
    }

    private func refusals(of provider: String, after moment: Timestamp) throws -> [Timestamp] {
        try rows(
            """
            SELECT id FROM deliveries
             WHERE verdict = 'rejected' AND provider = \(provider) AND id >= \(ID<DeliveryKind>.floor(moment))
             ORDER BY id DESC
             LIMIT 1000
            """
        ) { row -> Timestamp? in try row.id(DeliveryKind.self).madeAt }.compactMap { $0 }
    }

    /// Deliveries that were refused, of each of these providers the newest before an id; by the index of the refused.
    public func refused(of providers: [String], before id: ID<DeliveryKind>?, since: Timestamp?, limit: Int) throws
        -> [DeliveryRow]
    {
        let found = try providers.flatMap { provider in
            try refused(of: provider, before: id, since: since, limit: limit)
        }
        return Array(found.sorted { $0.id > $1.id }.prefix(limit))
    }
}

/// What a search among events found.
public struct EventsFound: Sendable {
    /// Newest first.
    public var rows: [EventRow]
    /// Where to go on, when the search ended before the list did: nothing else fits above this id.
    public var searchedTo: ID<EventKind>?
}

extension Session {
    /// Events that are looked at for one page.
    public static let eventsSearched = 20_000

    /// Events by a filter, newest first, before an id: at most `limit`, found among at most `eventsSearched` of those
    /// that the best index gives. A filter that fits few events costs no more than one that fits all.
    public func search(_ filter: EventFilter, before id: ID<EventKind>?, since: Timestamp?, limit: Int) throws
        -> EventsFound
    {
        var bounds = [filter.indexed].compactMap { $0 }
        if let id { bounds.append("t.id < \(id)") }
        if let since { bounds.append("t.id >= \(ID<EventKind>.floor(since))") }
        let all: SQL = bounds.isEmpty ? "1 = 1" : SQL.joined(bounds, by: " AND ")
        let floor = try row(
            """
            SELECT t.id FROM events t WHERE \(all) ORDER BY t.id DESC LIMIT 1 OFFSET \(Self.eventsSearched)
            """
        ) { row -> ID<EventKind> in try row.id() }
        var conditions = bounds + filter.conditions
        if let floor { conditions.append("t.id >= \(floor)") }
        let rows = try eventRows(where: conditions, limit: limit)
        return EventsFound(rows: rows, searchedTo: rows.count < limit ? floor : nil)
    }

    /// The oldest event that is kept.
    public func oldestEvent() throws -> ID<EventKind>? {
        try row("SELECT id FROM events ORDER BY id LIMIT 1") { row -> ID<EventKind> in try row.id() }
    }

    /// How many events that fit came after an id, at most `limit`, found among as many as a search looks at.
    public func count(_ filter: EventFilter, after id: ID<EventKind>, atMost limit: Int) throws -> Int {
        let ceiling = try row(
            "SELECT t.id FROM events t WHERE t.id > \(id) ORDER BY t.id LIMIT 1 OFFSET \(Self.eventsSearched)"
        ) { row -> ID<EventKind> in try row.id() }
        var conditions: [SQL] = ["t.id > \(id)"] + filter.conditions
        if let ceiling { conditions.append("t.id < \(ceiling)") }
        return try row(
            """
            SELECT count(*)
              FROM (SELECT 1 FROM events t WHERE \(SQL.joined(conditions, by: " AND ")) LIMIT \(limit)) AS counted
            """
        ) { Int(try $0.integer()) } ?? 0
    }
}

extension EventFilter {
    /// The one condition that an index of events carries; nil where the primary key must do.
    var indexed: SQL? {
        if let found { return found }
        if let userID { return "t.user_id = \(userID)" }
        if state == "waiting_review" || state == "failed" {
            return state == "failed"
                ? "t.state = 'failed' AND t.state IN ('waiting_review', 'failed')"
                : "t.state = 'waiting_review' AND t.state IN ('waiting_review', 'failed')"
        }
        return type.map { "t.type = \($0)" }
    }
}

/// Something that will happen at a known time.
public struct ComingUp: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// A schedule, by its name.
        case schedule
        /// A job that is to run, by its kind.
        case job
        /// An endpoint's next try, by its id.
        case attempt
    }
    public let kind: Kind
    public let name: String
    /// The job's id or the endpoint's.
    public let id: String?
    public let at: Timestamp
    public let count: Int64
}

extension Session {
    /// What is due next, the first first.
    public func comingUp(limit: Int) throws -> [ComingUp] {
        let schedules = try rows("SELECT name, next_at FROM schedules ORDER BY next_at, name LIMIT \(limit)") { row in
            ComingUp(kind: .schedule, name: try row.text(), id: nil, at: try row.time(), count: 1)
        }
        let jobs = try rows(
            """
            SELECT kind, id, due_at FROM jobs WHERE state = 'scheduled' ORDER BY due_at, id LIMIT \(limit)
            """
        ) { row in
            ComingUp(kind: .job, name: try row.text(), id: try row.text(), at: try row.time(), count: 1)
        }
        let attempts = try rows(
            """
            SELECT e.id, (SELECT min(a.due_at) FROM attempts_due a WHERE a.endpoint_id = e.id AND a.held = 0)
              FROM endpoints e
             WHERE e.state <> 'disabled'
             ORDER BY e.id
             LIMIT 100
            """
        ) { row -> ComingUp? in
            let id = try row.text()
            return try row.optionalTime().map { ComingUp(kind: .attempt, name: id, id: id, at: $0, count: 1) }
        }
        return Array((schedules + jobs + attempts.compactMap { $0 }).sorted { $0.at < $1.at }.prefix(limit))
    }
}
