import Kit

/// All that a sandbox remembers: the platforms' objects, what falls due, what took effect.
///
/// Used within a turn of its `Keeper` only: every change of a turn is kept, or none.
final class World {
    let seed: Seed
    /// Seconds by which the sandbox's clock is ahead of the real one.
    private(set) var ahead: Int64 = 0
    /// The second that it is now for the simulated platforms.
    private(set) var now: Int64 = 0
    /// The same moment to the microsecond.
    private(set) var moment = Timestamp.zero
    /// Draws used, by stream. The story draws from its own, so that it does not change the ids of calls.
    private(set) var draws: [String: UInt64] = [:]
    var stream = "calls"
    private var requests: UInt64 = 0

    private var objects: [String: Stored] = [:]
    private var kinds: [String: [String]] = [:]
    private(set) var schedule = Schedule()
    private(set) var counters: [String: Int64] = [:]

    private var undo: [Undo] = []
    /// What the turn has changed, for the journal.
    private(set) var touched = Touched()
    /// What the turn mails.
    private(set) var letters: [Letter] = []
    /// What the turn lets the sandbox fetch.
    private(set) var errands: [Errand] = []
    /// Events that the turn tells of, whether anybody takes them or not.
    var told = 0
    /// Events a second at which the turn's letters leave; nil for at once.
    var pace: Double?

    init(seed: Seed) { self.seed = seed }

    /// Objects of one kind that are kept; of more the oldest go. A story at full speed makes a thousand a second.
    static let objectsMax = 3000

    private enum Undo {
        case object(String, Stored?)
        case listed(kind: String)
        case due(String, Int64?)
        case unlisted(kind: String, id: String, at: Int)
        case draws(String, UInt64?)
        case counter(String, Int64?)
    }

    /// As bytes until it is first looked at, so that a start does not parse a long past.
    private enum Stored {
        case bytes([UInt8])
        case json(JSON)
        /// Once written, so that a new file costs no second writing.
        case both(JSON, [UInt8])
    }

    struct Touched {
        /// In the order of their first change, which is the order of lists after a restart.
        private(set) var objects: [String] = []
        private var known: Set<String> = []
        var dues: Set<String> = []
        var streams: Set<String> = []
        var counters: Set<String> = []
        var isAhead = false
        var isEmpty: Bool { objects.isEmpty && dues.isEmpty && streams.isEmpty && counters.isEmpty && !isAhead }

        mutating func object(_ key: String) { if known.insert(key).inserted { objects.append(key) } }
    }
}

// MARK: Objects

extension World {
    private static func key(_ kind: String, _ id: String) -> String { kind + " " + id }

    func object(_ kind: String, _ id: String) -> JSON? {
        let key = Self.key(kind, id)
        switch objects[key] {
        case .json(let json), .both(let json, _): return json
        case .bytes(let bytes):
            guard let json = try? JSON.parse(bytes) else { return nil }  // Written by us; a damaged file has none.
            objects[key] = .both(json, bytes)
            return json
        case nil: return nil
        }
    }

    func put(_ kind: String, _ id: String, _ json: JSON) {
        let key = Self.key(kind, id)
        let old = objects.updateValue(.json(json), forKey: key)
        undo.append(.object(key, old))
        touched.object(key)
        guard old == nil else { return }
        undo.append(.listed(kind: kind))
        kinds[kind, default: []].append(id)
    }

    func delete(_ kind: String, _ id: String) {
        let key = Self.key(kind, id)
        guard let old = objects.removeValue(forKey: key) else { return }
        undo.append(.object(key, old))
        touched.object(key)
        guard let place = kinds[kind]?.firstIndex(of: id) else { return }
        kinds[kind]?.remove(at: place)
        undo.append(.unlisted(kind: kind, id: id, at: place))
    }

    /// Newest first.
    func ids(of kind: String) -> [String] { (kinds[kind] ?? []).reversed() }
    func objects(of kind: String) -> [JSON] { ids(of: kind).compactMap { object(kind, $0) } }
    func count(of kind: String) -> Int { kinds[kind]?.count ?? 0 }

    /// The next id of a stream: the same after the same calls.
    func id(_ prefix: String, length: Int = 24) -> String { prefix + seed.text(length, step(), of: stream) }

    /// A number from 0 up to and without `limit`.
    func choice(_ limit: Int) -> Int { limit < 2 ? 0 : Int(seed.draw(step() &* 16, of: stream) % UInt64(limit)) }

    /// The next id of a request: a refused one, whose turn is undone, has its own all the same.
    func requestID(_ prefix: String) -> String {
        requests += 1
        return prefix + seed.text(14, requests, of: "requests")
    }

    private func step() -> UInt64 {
        undo.append(.draws(stream, draws[stream]))
        touched.streams.insert(stream)
        let number = draws[stream, default: 0]
        draws[stream] = number + 1
        return number
    }
}

// MARK: Time, effects, mail

extension World {
    /// When something falls due; nil takes it off.
    func due(_ key: String, at time: Int64?) {
        undo.append(.due(key, schedule.times[key]))
        touched.dues.insert(key)
        schedule.set(key, at: time)
    }

    /// Something took effect.
    func count(_ name: String, of platform: String, by amount: Int64 = 1) {
        let name = platform + " " + name
        undo.append(.counter(name, counters[name]))
        touched.counters.insert(name)
        counters[name, default: 0] += amount
    }

    func beNow(_ time: Int64) {
        now = time
        moment = Timestamp(seconds: time)
    }
    func be(ahead seconds: Int64) {
        guard ahead != seconds else { return }
        ahead = seconds
        touched.isAhead = true
    }
    func add(_ letter: Letter) { letters.append(letter) }
    func add(_ errand: Errand) { errands.append(errand) }
}

// MARK: Turns, for the keeper

extension World {
    func begin(at moment: Timestamp) {
        self.moment = moment
        now = moment.seconds
        stream = "calls"
        letters = []
        errands = []
        told = 0
        pace = nil
        undo.removeAll(keepingCapacity: true)
        touched = Touched()
    }

    func rollBack() {
        for step in undo.reversed() {
            switch step {
            case .object(let key, let old): objects[key] = old
            case .listed(let kind): kinds[kind]?.removeLast()
            case .due(let key, let time): schedule.set(key, at: time)
            case .unlisted(let kind, let id, let place): kinds[kind]?.insert(id, at: place)
            case .draws(let stream, let old): draws[stream] = old
            case .counter(let name, let old): counters[name] = old
            }
        }
        undo.removeAll()
        touched = Touched()
        letters = []
        errands = []
    }

    /// What the turn changed, as the journal writes it.
    func record() -> [JournalEntry] {
        var entries: [JournalEntry] = touched.objects.map { key in
            guard let stored = objects[key] else { return .delete(key) }
            let bytes = bytes(of: stored)
            if case .json(let json) = stored { objects[key] = .both(json, bytes) }
            return .put(key, bytes)
        }
        entries += touched.dues.map { .due($0, schedule.times[$0]) }
        entries += touched.streams.map { .draws($0, draws[$0] ?? 0) }
        entries += touched.counters.map { .counter($0, counters[$0] ?? 0) }
        if touched.isAhead { entries.append(.ahead(ahead)) }
        return entries
    }

    /// All there is, for a new file.
    func snapshot() -> [JournalEntry] {
        var entries: [JournalEntry] = []
        for (kind, ids) in kinds.sorted(by: { $0.key < $1.key }) {
            for id in ids {
                let key = Self.key(kind, id)
                if let stored = objects[key] { entries.append(.put(key, bytes(of: stored))) }
            }
        }
        return entries + schedule.times.map { .due($0.key, $0.value) } + [.ahead(ahead)]
            + draws.map { .draws($0.key, $0.value) } + counters.map { .counter($0.key, $0.value) }
    }

    private func bytes(of stored: Stored) -> [UInt8] {
        switch stored {
        case .bytes(let bytes), .both(_, let bytes): bytes
        case .json(let json): json.bytes
        }
    }

    func apply(_ entry: JournalEntry) {
        switch entry {
        case .put(let key, let bytes):
            if objects.updateValue(.bytes(bytes), forKey: key) == nil {
                let parts = key.split(separator: " ", maxSplits: 1).map(String.init)
                if let kind = parts.first, let id = parts.last { kinds[kind, default: []].append(id) }
            }
        case .delete(let key):
            objects[key] = nil
            let parts = key.split(separator: " ", maxSplits: 1).map(String.init)
            if let kind = parts.first, let id = parts.last, let place = kinds[kind]?.firstIndex(of: id) {
                kinds[kind]?.remove(at: place)
            }
        case .due(let key, let time): schedule.set(key, at: time)
        case .ahead(let seconds): ahead = seconds
        case .draws(let stream, let number): draws[stream] = number
        case .counter(let name, let number): counters[name] = number
        }
    }

    /// What waits to be done stays, whatever its number.
    private static let untrimmed: Set<String> = [Letter.kind, Errand.kind]

    /// Lets the oldest of a kind go where there are too many; between turns.
    func trim() {
        for (kind, ids) in kinds
        where ids.count > Self.objectsMax + Self.objectsMax / 10 && !Self.untrimmed.contains(kind) {
            for id in ids.dropLast(Self.objectsMax) { objects[Self.key(kind, id)] = nil }
            kinds[kind] = Array(ids.suffix(Self.objectsMax))
        }
    }
}
