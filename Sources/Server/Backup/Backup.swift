import Crypto
import Engine
import Foundation
public import Kit
public import Logging
public import Store

/// Copies a database while it is served, and makes a database of a copy.
public struct Backup: Sendable {
    private let address: DatabaseAddress
    private let logger: Logger

    public init(_ address: DatabaseAddress, logger: Logger) {
        self.address = address
        self.logger = logger
    }

    /// What a backup is called unless somebody says otherwise.
    public func usualName(at now: Timestamp) -> String {
        let digits = now.rfc3339.prefix(19).filter { $0 != "-" && $0 != ":" }
        return "patchbay-\(digits)Z." + (engine == .sqlite ? "sqlite" : "dump")
    }

    private var engine: Dialect.Engine {
        if case .sqlite = address { .sqlite } else { .postgres }
    }

    // MARK: Making one

    /// One snapshot: everything that was acknowledged before it began is in it. Checked, on disk, and with its manifest
    /// beside it when this returns; `file` appears whole or not at all.
    ///
    /// - Throws: `BackupFault`, `StoreError`.
    public func make(_ file: String, at now: Timestamp) async throws -> BackupManifest {
        guard !FileManager.default.fileExists(atPath: file) else {
            throw BackupFault("\(file) exists already. Name another: --to FILE")
        }
        let partial = file + ".partial"
        Self.remove(partial)
        do {
            let facts = try await copy(to: partial)
            guard facts.faults.isEmpty else {
                throw BackupFault("The copy is not sound: \(facts.faults.joined(separator: "; ")).")
            }
            let (bytes, sha256) = try await onThread("backup-hash") { try Self.hash(partial) }
            let manifest = BackupManifest(
                engine: engine.rawValue, program: Instance.version, begunAt: now, bytes: bytes, sha256: sha256,
                facts: facts, hasCounts: engine == .sqlite)
            try Self.write(manifest, beside: file)
            try Self.move(partial, to: file)
            return manifest
        } catch {
            Self.remove(partial)
            throw error
        }
    }

    private func copy(to partial: String) async throws -> ContentFacts {
        switch address {
        case .sqlite(let path):
            return try await onThread("backup") {
                try SQLiteCopy.make(of: path, at: partial)
                let problems = try SQLiteCopy.problems(in: partial)
                guard problems.isEmpty else {
                    throw BackupFault("The copy is damaged: \(problems.joined(separator: "; "))")
                }
                return try SQLiteCopy.read(partial) { try $0.contentFacts() }
            }
        case .postgres(let url):
            let environment = try Self.environment(url)
            let facts = try await contentFacts()
            try await onThread("backup") {
                try Program(name: "pg_dump").run(
                    ["--schema=patchbay", "--format=custom", "--no-owner", "--file=\(partial)"],
                    environment: environment)
                chmod(partial, 0o600)
                try Program(name: "pg_restore").run(["--list", partial], environment: [:])
                try SQLiteCopy.sync(partial)
            }
            return facts
        }
    }

    // MARK: Making a database of it

    /// Makes a database of a backup. The target must be empty: nothing is ever written over.
    ///
    /// - Throws: `BackupFault`, `StoreError`.
    public func restore(_ file: String) async throws -> (manifest: BackupManifest, facts: ContentFacts) {
        let manifest = try await Self.checked(file)
        guard manifest.engine == engine.rawValue else {
            throw BackupFault("It is a backup of \(manifest.engine), and the target is \(engine.rawValue).")
        }
        guard manifest.schema <= Migrations.known else {
            throw BackupFault(
                "It was made by Patchbay \(manifest.program) with schema \(manifest.schema); this program knows "
                    + "\(Migrations.known). Use Patchbay \(manifest.program) or newer.")
        }
        switch address {
        case .sqlite(let path): try await restore(file, to: path)
        case .postgres(let url): try await restore(file, to: url)
        }
        let facts = try await contentFacts()
        guard facts.faults.isEmpty else {
            throw BackupFault("It is restored and not sound: \(facts.faults.joined(separator: "; ")).")
        }
        return (manifest, facts)
    }

    private func restore(_ file: String, to path: String) async throws {
        for taken in [path, path + "-wal", path + "-shm"] where FileManager.default.fileExists(atPath: taken) {
            throw BackupFault("\(taken) exists: the target must be empty. Move it away, or name another file.")
        }
        let partial = path + ".partial"
        Self.remove(partial)
        do {
            try await onThread("restore") {
                try FileManager.default.copyItem(atPath: file, toPath: partial)
                chmod(partial, 0o600)
                try SQLiteCopy.sync(partial)
                let problems = try SQLiteCopy.problems(in: partial)
                guard problems.isEmpty else {
                    throw BackupFault("The backup is damaged: \(problems.joined(separator: "; "))")
                }
            }
            try Self.move(partial, to: path)
        } catch {
            Self.remove(partial)
            throw error
        }
    }

    private func restore(_ file: String, to url: Secret) async throws {
        let target = try Instance.open(address, owner: false, logger: logger)
        let state: SchemaState
        do { state = try await target.schemaState() } catch {
            await target.close()
            throw error
        }
        await target.close()
        guard state.version == 0 else {
            throw BackupFault("The target holds a Patchbay already: it must be empty. Name another database.")
        }
        let environment = try Self.environment(url)
        try await onThread("restore") {
            try url.reveal { try PostgresAddress.removeEmptySchema(String(decoding: $0, as: UTF8.self)) }
            try Program(name: "pg_restore").run(
                [
                    "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error",
                    "--dbname=\(environment["PGDATABASE"] ?? "")", file,
                ], environment: environment)
        }
    }

    // MARK: Parts

    private func contentFacts() async throws -> ContentFacts {
        if case .sqlite(let path) = address {
            return try await onThread("facts") { try SQLiteCopy.read(path) { try $0.contentFacts() } }
        }
        let database = try Instance.open(address, owner: false, logger: logger)
        do {
            guard try await database.schemaState().version > 0 else { throw BackupFault("The database is empty.") }
            let facts = try await database.read("content_facts") { try $0.contentFacts() }
            await database.close()
            return facts
        } catch {
            await database.close()
            throw error
        }
    }

    private static func environment(_ url: Secret) throws -> [String: String] {
        try url.reveal { try PostgresAddress.environment(String(decoding: $0, as: UTF8.self)) }
    }

    private static func checked(_ file: String) async throws -> BackupManifest {
        guard FileManager.default.isReadableFile(atPath: file) else { throw BackupFault("\(file) cannot be read.") }
        guard let text = FileManager.default.contents(atPath: file + BackupManifest.ending) else {
            throw BackupFault(
                "\(file)\(BackupManifest.ending) is missing: without it nobody knows whether the backup is whole.")
        }
        guard let json = try? JSON.parse(Array(text)) else {  // Where it ends does not matter.
            throw BackupFault("\(file)\(BackupManifest.ending) is not JSON.")
        }
        let manifest = try BackupManifest(json)
        let (bytes, sha256) = try await onThread("restore-hash") { try hash(file) }
        guard bytes == manifest.bytes, sha256 == manifest.sha256 else {
            throw BackupFault("\(file) is not what its manifest describes: it was cut or changed. Use another backup.")
        }
        return manifest
    }

    private static func hash(_ file: String) throws -> (bytes: Int64, sha256: String) {
        guard let handle = FileHandle(forReadingAtPath: file) else { throw BackupFault("\(file) cannot be read.") }
        defer { try? handle.close() }  // Read to its end: nothing is lost.
        var (hash, bytes) = (SHA256(), Int64(0))
        while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
            hash.update(data: chunk)
            bytes += Int64(chunk.count)
        }
        return (bytes, String(decoding: Hex.encode(Array(hash.finalize())), as: UTF8.self))
    }

    private static func write(_ manifest: BackupManifest, beside file: String) throws {
        let path = file + BackupManifest.ending
        let made = FileManager.default.createFile(
            atPath: path, contents: Data(manifest.json.bytes + [0x0A]), attributes: [.posixPermissions: 0o600])
        guard made else { throw BackupFault("\(path) cannot be written.") }
        try SQLiteCopy.sync(path)
    }

    /// With its name on disk when it returns.
    static func move(_ partial: String, to file: String) throws {
        guard rename(partial, file) == 0 else {
            throw BackupFault("\(file) cannot be made: \(String(cString: strerror(errno))).")
        }
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
        try SQLiteCopy.sync(folder.isEmpty ? "." : folder)
    }

    static func remove(_ file: String) {
        for ending in ["", "-journal", "-wal", "-shm"] { unlink(file + ending) }
    }
}
