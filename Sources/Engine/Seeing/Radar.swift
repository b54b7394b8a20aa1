public import Kit
public import Store

/// What ends at platforms, when, and who uses it here.
///
/// Use is counted behind the way in and the way out, each call and event once, and kept by day: a page reads what was
/// counted, never the log.
public struct Radar: Sendable {
    /// Something that ends, and whose.
    public struct Declared: Sendable {
        public let platform: About
        public let ending: Ending
        /// `x/account-activity`: what is counted and told stands under it.
        public var key: String { "\(platform.id)/\(ending.id)" }
    }

    /// How near an end is.
    public enum Stage: String, Sendable, CaseIterable {
        /// It is gone.
        case ended
        case within30 = "within_30_days"
        case within90 = "within_90_days"
        case later
        /// It was announced without a day.
        case undated
    }

    /// Something that ends, as it stands.
    public struct Item: Sendable {
        public let declared: Declared
        public let stage: Stage
        /// Until it is gone, begun ones count; 0 and less once it is. Nil where there is no day.
        public let daysLeft: Int64?
        public let use: EndingUse
        /// Those that use it most.
        public let users: [EndingUser]
    }

    /// Calls and events may be written down so long after their ids were made.
    static let lag = Duration.minutes(2)
    private static let countedAtOnce = 500
    /// In one run; what is left goes with the next.
    private static let roundsMax = 4000
    static let usersShown = 20

    private let declared: [Declared]
    private let database: any Database
    private let ids: Identifiers

    public init(_ platforms: [any Ageing], database: any Database, ids: Identifiers) {
        declared = platforms.flatMap { platform in
            platform.endings.map { Declared(platform: platform.about, ending: $0) }
        }
        self.database = database
        self.ids = ids
    }

    /// Everything that ends: what has ended first, then by days, then what has no day.
    public func items(at now: Timestamp) async throws -> [Item] {
        let declared = declared
        let items = try await database.read("radar") { session in
            try declared.map { declared in
                let use = try session.use(of: declared.key, at: now)
                return Item(
                    declared: declared, stage: Self.stage(of: declared.ending, at: now),
                    daysLeft: Self.daysLeft(until: declared.ending, at: now), use: use,
                    users: use.uses == 0
                        ? [] : try session.users(of: declared.key, at: now, limit: Self.usersShown))
            }
        }
        return items.sorted {
            ($0.daysLeft ?? .max, $0.declared.key) < ($1.daysLeft ?? .max, $1.declared.key)
        }
    }

    static func daysLeft(until ending: Ending, at now: Timestamp) -> Int64? { ending.on.map { $0.number - now.day } }

    static func stage(of ending: Ending, at now: Timestamp) -> Stage {
        guard let days = daysLeft(until: ending, at: now) else { return .undated }
        return days <= 0 ? .ended : days <= 30 ? .within30 : days <= 90 ? .within90 : .later
    }

    // MARK: Counting

    /// Counts what came since the last time.
    func count(at now: Timestamp) async throws {
        let (from, until) = (now - .days(EndingUse.days), now - Self.lag)
        for declared in declared {
            let (key, platform, ending) = (declared.key, declared.platform.id, declared.ending)
            if ending.types.isEmpty {
                try await repeatedly { session in
                    try session.countCalls(
                        to: platform, for: key, from: from, until: until, limit: Self.countedAtOnce
                    ) { call in
                        call.of.count == 3 && ending.isUsed(byCall: call.of[0], to: call.of[1], call.of[2])
                    }
                }
            }
            for type in ending.types {
                try await repeatedly { session in
                    try session.countEvents(
                        type, of: platform, for: key, from: from, until: until, limit: Self.countedAtOnce)
                }
            }
        }
    }

    private func repeatedly(_ step: @escaping @Sendable (Session) throws -> Int) async throws {
        for _ in 0..<Self.roundsMax {
            guard try await database.write("radar_count", in: .maintenance, step) == Self.countedAtOnce else { return }
        }
    }

    // MARK: Telling

    /// Tells of each stage that is new, and ends the alerts about what is no longer used. Answers whether anything was
    /// told.
    func tell(at now: Timestamp) async throws -> Bool {
        let items = try await items(at: now)
        let prepared = items.map { item in
            (item, alert(about: item, at: now), ids.make(ChangeKind.self), ids.make(ChangeKind.self))
        }
        let known = Set(declared.map(\.key))
        // What was taken from the declarations: their ids end with the process that no longer has them.
        let spare = (0..<20).map { _ in ids.make(ChangeKind.self) }
        return try await database.write("radar_tell", in: .maintenance) { session in
            let told = try session.toldEndings()
            var hasTold = false
            for (item, alert, over, news) in prepared {
                let (key, stage) = (item.declared.key, item.stage)
                guard item.use.uses > 0, stage != .later else {
                    guard told[key] != nil else { continue }
                    try session.resolve(.providerEnding, key, changeID: over, at: now)
                    try session.setTold(nil, of: key, at: now)
                    hasTold = true
                    continue
                }
                guard told[key] != stage.rawValue else { continue }
                try session.resolve(.providerEnding, key, changeID: over, at: now)
                try session.raise(alert)
                try session.append([Self.news(of: item, id: news, at: now)])
                try session.setTold(stage.rawValue, of: key, at: now)
                hasTold = true
            }
            for (key, change) in zip(told.keys.filter { !known.contains($0) }.sorted(), spare) {
                try session.resolve(.providerEnding, key, changeID: change, at: now)
                try session.setTold(nil, of: key, at: now)
                hasTold = true
            }
            return hasTold
        }
    }

    private func alert(about item: Item, at now: Timestamp) -> NewAlert {
        let (ending, platform) = (item.declared.ending, item.declared.platform.name)
        let day = ending.on.map { "\(ending.isAbout ? "about " : "")\($0)" } ?? ""
        let when =
            switch item.stage {
            case .ended: "has ended (\(day))"
            case .within30, .within90, .later: "ends in \(item.daysLeft ?? 0) days (\(day))"
            case .undated: "will end; no day is named yet"
            }
        let by = item.use.connections == 0 ? "" : " by \(item.use.connections) connections"
        return NewAlert(
            id: ids.make(), kind: .providerEnding, subject: item.declared.key,
            summary: "\(platform): \(OutsideText.bounded(ending.name, 200)) \(when). "
                + "Used \(item.use.uses) times in \(EndingUse.days) days\(by).",
            action: "\(ending.instead) Who uses it: patchbay radar", at: now, changeID: ids.make())
    }

    private static func news(of item: Item, id: ID<ChangeKind>, at now: Timestamp) -> NewChange {
        let ending = item.declared.ending
        let data: JSON = [
            "ending": .string(item.declared.key), "provider": .string(item.declared.platform.id),
            "what": .string(ending.kind), "name": .string(ending.name), "stage": .string(item.stage.rawValue),
            "ends_on": JSON(ending.on?.description), "is_about": .bool(ending.isAbout),
            "days_left": JSON(item.daysLeft), "instead": .string(ending.instead), "source": .string(ending.source),
            "uses": JSON(item.use.uses), "connections": JSON(item.use.connections),
        ]
        return NewChange(
            id: id, type: "provider.deprecated", subject: item.declared.key, occurredAt: now, data: data.bytes)
    }
}

/// Brings the counts up to date and tells of what is near, once an hour.
public struct RadarWorker: JobWorker {
    public static let kind = "maintenance.radar"

    public var kind: String { Self.kind }
    private let radar: Radar
    private let time: TimeSource
    private let written: @Sendable () -> Void

    /// - Parameter written: called after changes were written.
    public init(_ radar: Radar, time: TimeSource, written: @escaping @Sendable () -> Void) {
        self.radar = radar
        self.time = time
        self.written = written
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        try await lookAround()
        return .done
    }

    /// Counts, then tells.
    public func lookAround() async throws {
        let now = time.now()
        try await radar.count(at: now)
        if try await radar.tell(at: now) { written() }
    }
}
