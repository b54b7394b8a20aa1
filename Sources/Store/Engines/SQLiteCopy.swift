import CSQLite
import Glibc

/// Copies of an SQLite file: made while others write to it, looked at, put on disk.
///
/// Everything here blocks; call it through `onThread`.
public enum SQLiteCopy {
    /// Checking a file takes at most so long.
    private static let checkSeconds = 600.0
    /// Problems that are told of one file.
    private static let problemsMax = 20

    /// Copies one snapshot, packed. Nobody waits for it, but the log beside the file grows meanwhile.
    ///
    /// - Parameter target: must not exist. What is left there after a failure is no backup.
    public static func make(of path: String, at target: String) throws {
        guard access(path, R_OK) == 0 else { throw StoreError.unavailable("\(path) cannot be read") }
        guard access(target, F_OK) != 0 else { throw StoreError.refused("\(target) exists already.") }
        let connection = try SQLiteConnection(path: path, readOnly: false)
        defer { connection.close() }
        // For the owner's eyes before the first byte stands in it; an empty file is a database without tables.
        let made = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard made >= 0 else {
            throw StoreError.unavailable("\(target) cannot be made: \(String(cString: strerror(errno)))")
        }
        Glibc.close(made)
        _ = try connection.run("VACUUM INTO ?1", [.text(target)])
        try sync(target)
    }

    /// What is wrong with a file: with its pages, its indexes, its foreign keys. Empty for a file that is well.
    public static func problems(in path: String, quick: Bool = false) throws -> [String] {
        let connection = try SQLiteConnection(path: path, readOnly: true)
        defer { connection.close() }
        connection.limit(to: checkSeconds)
        let check = quick ? "PRAGMA quick_check(\(problemsMax))" : "PRAGMA integrity_check(\(problemsMax))"
        let answers = try connection.run(check, []).compactMap { row -> String? in
            if case .text(let text)? = row.first { text } else { nil }
        }
        guard !quick else { return answers == ["ok"] ? [] : answers }
        let orphans = try connection.run("PRAGMA foreign_key_check", []).prefix(problemsMax).map { row in
            if case .text(let table)? = row.first { "a row of \(table) names one that is not there" } else { "?" }
        }
        return (answers == ["ok"] ? [] : answers) + orphans
    }

    /// Reads from a file that nobody serves, one snapshot.
    public static func read<Value>(_ path: String, _ work: (Session) throws -> Value) throws -> Value {
        let connection = try SQLiteConnection(path: path, readOnly: true)
        defer { connection.close() }
        let transaction = Transaction(
            placeholder: "?", execute: { try connection.run($0, $1) }, changed: { connection.changedRows })
        defer { transaction.end() }
        try connection.execute("BEGIN")
        return try work(Session(dialect: .sqlite, transaction: transaction))
    }

    /// Returns when a file is on the disk.
    public static func sync(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StoreError.unavailable("\(path) cannot be opened") }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw StoreError.unavailable("\(path) cannot be synced: \(String(cString: strerror(errno)))")
        }
    }
}

/// Does what blocks on a thread of its own.
public func onThread<Value: Sendable>(
    _ name: String, _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        startThread(name) { continuation.resume(with: Result { try work() }) }
    }
}
