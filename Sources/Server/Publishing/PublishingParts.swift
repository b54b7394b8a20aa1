import AsyncHTTPClient
import Engine
import Kit
import Logging
public import Store

/// Publishing, as the API and the pages need it.
public struct PublishingHooks: Sendable {
    let publishing: Publishing
    let caller: StepCaller
}

extension Instance {
    /// The folder for objects, made ready; nil where none is set.
    private static func objects(
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

    /// The files, and what publishes them on behalf of connected accounts.
    static func publishing(
        _ settings: Settings, _ database: any Database, _ vault: Vault, _ connections: Connections,
        _ traffic: Traffic, _ client: HTTPClient, _ guarded: GuardedWire, ids: Identifiers, time: TimeSource,
        logger: Logger
    ) async -> (ObjectStore?, PublishingHooks?) {
        let objects = await objects(settings, database, ids: ids, time: time, logger: logger)
        guard !settings.encryptionKeys.isEmpty else { return (objects, nil) }
        let publishers = Providers.publishers
        let platforms = publishers.map { publisher in
            (publisher.about.id, StepCaller.Platform(publisher, base: settings.clients[publisher.about.id]?.address))
        }
        let caller = StepCaller(
            platforms: Dictionary(uniqueKeysWithValues: platforms), traffic: traffic, wire: HTTPWire(client: client),
            outside: guarded, objects: objects
        ) { id, refused in
            let held = try await connections.credential(of: ID(stored: id), refusing: refused)
            return Proxying.Credential(token: held.access, version: held.version)
        }
        let publishing = Publishing(publishers: publishers, vault: vault, ids: ids)
        return (objects, PublishingHooks(publishing: publishing, caller: caller))
    }

    /// Makes the tables under which applications find what was sent to each platform.
    public static func declareTables(_ database: any Database) async throws {
        let tables = Providers.publishers.map { ($0.about.id, $0.postTable) }
        try await database.schema("post_tables") { session in
            for (provider, table) in tables { try session.declare(table, of: provider) }
        }
    }
}
