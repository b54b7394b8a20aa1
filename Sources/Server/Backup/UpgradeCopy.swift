import Foundation
public import Kit
public import Logging
import Store

/// The copy of an SQLite file that is made beside it before the schema changes: migrations go forward only.
///
/// There is one at most, of the last upgrade, and it goes after seven days.
public struct UpgradeCopy: Sendable {
    static let keptFor = Duration.days(7)
    private static let ending = ".before-upgrade-"

    private let path: String
    private let logger: Logger

    /// Nil for a database that is no file.
    public init?(of address: DatabaseAddress, logger: Logger) {
        guard case .sqlite(let path) = address else { return nil }
        self.path = path
        self.logger = logger
    }

    /// Copies the file where its schema is about to change.
    ///
    /// - Parameters:
    ///   - version: of the schema as it is; 0 for an empty file, which is not copied.
    ///   - pending: steps that will change it.
    /// - Throws: `StoreError.refused` when that fails: the schema stays as it is then.
    public func make(from version: Int64, pending: Int) async throws {
        guard version > 0, pending > 0 else { return }
        let (path, copy) = (path, path + Self.ending + "\(version)")
        let partial = copy + ".partial"
        do {
            try await onThread("upgrade-copy") {
                Backup.remove(partial)
                try SQLiteCopy.make(of: path, at: partial)
                for old in Self.copies(of: path) { unlink(old) }
                try Backup.move(partial, to: copy)
            }
        } catch {
            Backup.remove(partial)
            throw StoreError.refused(
                "No copy before the upgrade: \(error) Make room, or run: patchbay migrate --without-copy"
            )
        }
        logger.notice("store.copied", metadata: ["file": "\(copy)", "schema": "\(version)"])
    }

    /// Removes a copy that is older than it is kept.
    public func sweep(at now: Timestamp) {
        for copy in Self.copies(of: path) {
            var facts = stat()
            guard stat(copy, &facts) == 0 else { continue }
            let age = now - Timestamp(seconds: Int64(facts.st_mtim.tv_sec))
            guard age > Self.keptFor, unlink(copy) == 0 else { continue }
            logger.notice("store.copy_removed", metadata: ["file": "\(copy)"])
        }
    }

    private static func copies(of path: String) -> [String] {
        let url = URL(fileURLWithPath: path)
        let folder = url.deletingLastPathComponent().path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []  // Nothing there, no copies.
        return names.filter {
            $0.hasPrefix(url.lastPathComponent + ending) && !$0.hasSuffix(".partial")
        }
        .map { folder + "/" + $0 }
    }
}
