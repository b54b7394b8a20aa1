public import Kit
public import Logging
public import ServiceLifecycle
public import Store

/// Sees to it that what platforms send is sealed at rest where the operator wants it, under a key a month.
public struct BodySealing: Service {
    /// A node that sleeps through a month's end seals under the old key for so long.
    private static let every = Duration.hours(1)

    private let keys: BodyKeys
    private let vault: Vault
    private let database: any Database
    private let ids: Identifiers
    private let time: TimeSource
    private let logger: Logger

    public init(
        _ keys: BodyKeys, vault: Vault, database: any Database, ids: Identifiers, time: TimeSource, logger: Logger
    ) {
        self.keys = keys
        self.vault = vault
        self.database = database
        self.ids = ids
        self.time = time
        self.logger = logger
    }

    /// What opens months' keys.
    public static func keys(_ vault: Vault) -> BodyKeys {
        BodyKeys { row in try vault.open(Sealed(bytes: row.sealed, keyID: row.keyID), in: place(row.month)) }
    }

    static func place(_ month: String) -> Vault.Place { Vault.Place(table: SealedTable.bodies.rawValue, row: month) }

    /// Makes this month's key where there is none, and seals under it from now on.
    ///
    /// - Throws: `VaultProblem` without a key that seals it; what the database throws.
    public func seal() async throws {
        let (now, month) = (time.now(), time.now().month)
        if try await row(month) == nil {
            let sealed = try vault.seal(Secret(ids.bytes(32)), in: Self.place(month))
            let new = BodyKeyRow(month: month, sealed: sealed.bytes, keyID: sealed.keyID)
            try await database.write("body_key") { try $0.add(new, at: now) }
        }
        // As it is committed: another node may have been first.
        guard let committed = try await row(month) else { throw StoreError.damaged("the bodies' key of \(month)") }
        try keys.seal(under: committed)
    }

    private func row(_ month: String) async throws -> BodyKeyRow? {
        try await database.read("body_key") { try $0.bodyKey(month) }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await time.sleep(Self.every) } catch { return }
                do { try await seal() } catch {
                    logger.warning("bodies.no_new_key", metadata: ["problem": "\(error)"])
                }
            }
        }
    }
}
