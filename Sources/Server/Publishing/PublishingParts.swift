import Engine
import Kit
import Logging
public import Store

/// Publishing, as the API and the pages need it.
public struct PublishingHooks: Sendable {
    let publishing: Publishing
    let caller: ConnectionCaller
}

extension Instance {
    /// The folder for objects, made ready; nil where none is set.
    static func objects(
        _ settings: Settings, _ database: any Database, ids: Identifiers, time: TimeSource, logger: Logger
    ) async -> ObjectStore? {
        guard let path = settings.objectsFolder else { return nil }
        let store = ObjectStore(folder: ObjectFolder(path), database: database, ids: ids, time: time)
        do {
            try await store.prepare()
            return store
        } catch {
            logger.error("objects.no_folder", metadata: ["folder": "\(path)", "problem": "\(error)"])
            return nil
        }
    }

    /// Publishing; nil without keys to seal with.
    static func publishing(
        _ settings: Settings, _ vault: Vault, by caller: ConnectionCaller, ids: Identifiers
    ) -> PublishingHooks? {
        guard !settings.encryptionKeys.isEmpty else { return nil }
        var addresses: ObjectAddresses?
        if case .success(let base) = settings.addressForPlatforms, !settings.ownAddresses.isEmpty {
            addresses = ObjectAddresses(
                base: base, signer: SignedAddresses(vault: vault), own: settings.ownAddresses)
        }
        let publishing = Publishing(
            publishers: Providers.publishers, vault: vault, ids: ids, addresses: addresses)
        return PublishingHooks(publishing: publishing, caller: caller)
    }

    /// Makes the tables under which applications find what was sent to each platform.
    public static func declareTables(_ database: any Database) async throws {
        let tables = Providers.publishers.map { ($0.about.id, $0.postTable) }
        try await database.schema("post_tables") { session in
            for (provider, table) in tables { try session.declare(table, of: provider) }
        }
    }
}
