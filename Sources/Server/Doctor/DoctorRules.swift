import Kit
import Store

/// What facts come to. Pure: each rule is a function from facts to findings.
enum DoctorRules {
    /// Below it no disk has synced anything: a disk's own cache with a battery takes longer.
    private static let syncMin = Duration.microseconds(50)
    /// Slower disks bound what can be acknowledged a second more than anything else does.
    private static let syncSlow = Duration.milliseconds(30)
    /// Fewer events say nothing about bytes an event.
    private static let eventsMin: Int64 = 1000
    private static let daysWarned = 30.0
    private static let daysFailed = 2.0
    private static let clockOff = Duration.seconds(5)

    static func sync(_ median: Duration, what: String) -> Finding {
        let took = "\(what) takes \(Amount.duration(median)) (median of 20)"
        if median < syncMin {
            return Finding(
                "disk.sync", .warning, "\(took): implausible. Is this tmpfs, or a disk that does not sync?",
                advice: "Put the database where a sync reaches a disk, or what was acknowledged may be lost.")
        }
        if median > syncSlow {
            return Finding(
                "disk.sync", .warning, "\(took): slow.", advice: "A faster disk lets deliveries be answered sooner.")
        }
        return Finding("disk.sync", .ok, "\(took).")
    }

    static func durability(_ health: StoreHealth) -> Finding {
        guard health.isDurable else {
            return Finding(
                "database.durable", .failed, "\(health.durability): what is acknowledged may be lost.",
                advice: health.engine == .postgres
                    ? "Set fsync = on in postgresql.conf and restart PostgreSQL."
                    : "Use a build of SQLite that can sync.")
        }
        return Finding("database.durable", .ok, "\(health.durability): a delivery is answered after its sync.")
    }

    static func schema(_ state: SchemaState) -> Finding {
        if state.version > Migrations.known {
            return Finding(
                "database.schema", .failed,
                "The database was made by Patchbay \(state.madeBy), schema \(state.version); this is schema "
                    + "\(Migrations.known).", advice: "Use Patchbay \(state.madeBy) or newer.")
        }
        if state.version == 0 {
            return Finding("database.schema", .ok, "Empty; the first start makes schema \(Migrations.known).")
        }
        if state.pending > 0 {
            return Finding(
                "database.schema", .warning, "Schema \(state.version), this program needs \(Migrations.known).",
                advice: "serve brings it up to date; where PATCHBAY_MIGRATE=off, run: patchbay migrate")
        }
        return Finding("database.schema", .ok, "Schema \(state.version), made by Patchbay \(state.madeBy).")
    }

    static func mode(_ kept: String?, _ wanted: Settings.Mode) -> Finding? {
        guard let kept, kept != wanted.rawValue else { return nil }
        return Finding(
            "database.mode", .failed,
            "The database belongs to a \(kept) instance, and PATCHBAY_MODE is \(wanted.rawValue).",
            advice: "Give each its own database.")
    }

    // MARK: Encryption keys

    static func keys(_ keys: [String], sealed: [SealedCount]) -> [Finding] {
        let missing = sealed.filter { !keys.contains($0.keyID) }
        if !missing.isEmpty {
            let ids = Set(missing.map(\.keyID)).sorted().joined(separator: ", ")
            let rows = missing.reduce(0) { $0 + $1.rows }
            return [
                Finding(
                    "keys", .failed,
                    "\(rows) secrets were sealed by keys that are not set: \(ids). They cannot be opened.",
                    advice: "Add them to PATCHBAY_ENCRYPTION_KEYS, behind the newest, then run: patchbay vault rotate")
            ]
        }
        guard let newest = keys.first else {
            return [
                Finding(
                    "keys", .warning,
                    "PATCHBAY_ENCRYPTION_KEYS is not set: endpoints and app credentials cannot be added.",
                    advice: "Make a key and keep a copy apart from the database: patchbay vault key")
            ]
        }
        let old = sealed.filter { $0.keyID != newest }.reduce(0) { $0 + $1.rows }
        let all = sealed.reduce(0) { $0 + $1.rows }
        guard old == 0 else {
            return [
                Finding(
                    "keys", .warning, "\(old) of \(all) secrets are under older keys than \(newest).",
                    advice: "When every node has the newest key, run: patchbay vault rotate")
            ]
        }
        let unused = keys.dropFirst().filter { key in !sealed.contains { $0.keyID == key } }
        let sentence = "\(all) secrets, all under \(newest)."
        return [
            Finding(
                "keys", .ok,
                unused.isEmpty ? sentence : "\(sentence) No row needs \(unused.joined(separator: ", ")) any more.")
        ]
    }

    /// - Parameter months: how many months have a key for bodies.
    static func bodies(areSealed: Bool, months: Int64) -> Finding {
        let old =
            months == 0 ? "" : " \(months) \(months == 1 ? "month has" : "months have") a key that opens older ones."
        return areSealed
            ? Finding("bodies", .ok, "What platforms send is sealed at rest, under a key a month.")
            : Finding("bodies", .off, "What platforms send is not sealed at rest (PATCHBAY_SEAL_BODIES).\(old)")
    }

    // MARK: Room

    static func eventSize(_ facts: StoreFacts, bytes: Int64) -> Finding {
        guard facts.events >= eventsMin else {
            return Finding("events.size", .ok, "\(facts.events) events: too few to say how many bytes each needs.")
        }
        let more = facts.events >= StoreFacts.countMax ? "more than " : ""
        return Finding(
            "events.size", .ok,
            "\(Amount.bytes(Double(bytes) / Double(facts.events))) an event, with all that belongs to it "
                + "(\(Amount.bytes(Double(bytes))), \(more)\(facts.events) events).")
    }

    /// When a disk is full if the week goes on, without what retention will delete.
    ///
    /// - Parameter space: nil where the database's disk cannot be seen from here.
    static func room(_ facts: StoreFacts, bytes: Int64, space: DiskSpace?, at now: Timestamp) -> Finding {
        let age = facts.firstEventAt.map { min((now - $0).inSeconds / 86_400, 7) } ?? 0
        guard facts.events >= eventsMin, age > 0.01 else {
            guard let space else { return Finding("disk.room", .ok, "The database's disk cannot be seen from here.") }
            let isFull = space.free < 100e6 || space.free < space.whole * 0.01
            return Finding(
                "disk.room", isFull ? .failed : .ok, "\(Amount.bytes(space.free)) free; no rate to reckon with yet.",
                advice: isFull ? "Make room: a full disk refuses deliveries." : nil)
        }
        let daily = Double(facts.eventsThisWeek) / age * Double(bytes) / Double(facts.events)
        let rate = "\(Amount.bytes(daily)) a day at this week's rate"
        guard let space else {
            return Finding("disk.room", .ok, "\(rate); the database's disk cannot be seen from here.")
        }
        guard daily > 0 else {
            return Finding("disk.room", .ok, "\(Amount.bytes(space.free)) free; nothing came this week.")
        }
        let days = space.free / daily
        let sentence =
            days > 3650
            ? "\(Amount.bytes(space.free)) free: more than ten years, \(rate)."
            : "\(Amount.bytes(space.free)) free: full in \(Int(days)) days, \(rate), before what retention deletes."
        let verdict: Finding.Verdict = days < daysFailed ? .failed : days < daysWarned ? .warning : .ok
        return Finding(
            "disk.room", verdict, sentence,
            advice: verdict == .ok ? nil : "Make the disk larger, or keep less: PATCHBAY_RETENTION_BODIES=7d")
    }

    // MARK: Clock

    /// - Parameter now: read just after the database's own.
    static func clock(_ facts: StoreFacts, at now: Timestamp) -> Finding {
        if now < Timestamp(seconds: 1_767_225_600) {
            return Finding(
                "clock", .failed, "This machine's clock says \(now.rfc3339).",
                advice: "Set it: signatures carry times, and nothing would be believed.")
        }
        if let theirs = facts.clock, abs((theirs - now).microseconds) > clockOff.microseconds {
            return Finding(
                "clock", .warning, "The database's clock and this one are \(Amount.duration(theirs - now)) apart.",
                advice: "Run a time service (chrony, systemd-timesyncd) on both machines.")
        }
        if let beat = facts.lastBeatAt, beat - now > .minutes(1) {
            return Finding(
                "clock", .warning, "A node wrote \(beat.rfc3339), and it is \(now.rfc3339) here: a clock went back.",
                advice: "Run a time service (chrony, systemd-timesyncd).")
        }
        return Finding("clock", .ok, facts.clock == nil ? "\(now.rfc3339)." : "\(now.rfc3339), as at the database.")
    }
}
