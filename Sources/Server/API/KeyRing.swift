import Kit
import Store

/// The keys that were asked for lately. Guards what is remembered of them, and makes the reads of one key one read.
///
/// A key that another node revoked is believed for a second more; one that this node revokes is forgotten at once.
actor KeyRing {
    private struct Known {
        let row: KeyRow?
        let readAt: Timestamp
    }
    /// Others' keys are remembered as unknown; an attacker's guesses must not fill the memory.
    private static let knownMax = 1000
    private static let believedFor = Duration.seconds(1)

    private let database: any Database
    private let now: @Sendable () -> Timestamp
    private var known: [[UInt8]: Known] = [:]
    private var reads: [[UInt8]: Task<KeyRow?, any Error>] = [:]
    private var uses: [ID<KeyKind>: Timestamp] = [:]

    init(database: any Database, now: @escaping @Sendable () -> Timestamp) {
        self.database = database
        self.now = now
    }

    /// The key with this hash, if there is one, active or not.
    func key(_ hash: [UInt8]) async throws -> KeyRow? {
        let now = now()
        if let known = known[hash], known.readAt <= now, now - known.readAt < Self.believedFor {
            if let row = known.row { uses[row.id] = now }
            return known.row
        }
        let row = try await read(hash)
        if let row { uses[row.id] = now }
        return row
    }

    private func read(_ hash: [UInt8]) async throws -> KeyRow? {
        if let read = reads[hash] { return try await read.value }
        let database = database
        let read = Task { try await database.read("key") { try $0.key(hash: hash) } }
        reads[hash] = read
        let result = await read.result
        reads[hash] = nil
        if known.count >= Self.knownMax { known = [:] }
        known[hash] = Known(row: try result.get(), readAt: now())
        return try result.get()
    }

    func forgetAll() { known = [:] }

    /// Writes down when keys were used: with the housekeeping, not with each request.
    func noteUses() async throws {
        let noted = uses
        guard !noted.isEmpty else { return }
        uses = [:]
        try await database.write("touch_keys", in: .maintenance) { session in
            for (id, moment) in noted { try session.touch(id, at: moment) }
        }
    }
}
