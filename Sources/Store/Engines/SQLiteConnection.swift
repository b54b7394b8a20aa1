import CSQLite
import Glibc

/// One connection to an SQLite file. Belongs to one thread.
final class SQLiteConnection {
    private var handle: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]
    /// True after an I/O error: nothing written may be trusted until the file was closed and opened again.
    private(set) var diskFailed = false
    /// Of all texts and blobs that statements were given so far.
    private(set) var boundBytes = 0
    /// More than the program has texts; beyond it the cache is emptied.
    private static let statementsMax = 512

    init(path: String, readOnly: Bool) throws {
        let flags =
            readOnly
            ? SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX
            : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let reason = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory"
            sqlite3_close_v2(opened)
            throw StoreError.unavailable("\(path) cannot be opened: \(reason)")
        }
        handle = opened
        sqlite3_extended_result_codes(opened, 1)
        sqlite3_busy_timeout(opened, 5000)
    }

    deinit {
        close()
        deadline.deallocate()
    }

    func close() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// False after a COMMIT, and after SQLite rolled everything back by itself (full disk, I/O error).
    var isInTransaction: Bool { handle.map { sqlite3_get_autocommit($0) == 0 } ?? false }
    var changedRows: Int { handle.map { Int(sqlite3_changes($0)) } ?? 0 }

    /// Runs text that binds nothing, one or several statements.
    func execute(_ text: String) throws {
        guard let handle else { throw StoreError.unavailable("the file is closed") }
        let code = sqlite3_exec(handle, text, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    func run(_ sql: SQL) throws -> [[Cell]] { try run(sql.text(placeholder: "?"), sql.values) }

    func run(_ text: String, _ values: [Cell]) throws -> [[Cell]] {
        let statement = try prepared(text)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1), to: statement) }
        var rows: [[Cell]] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: rows.append(Self.cells(of: statement))
            case SQLITE_DONE: return rows
            case let code: throw failure(code)
            }
        }
    }

    /// Cuts a reader off: the callback runs every thousand steps of the virtual machine.
    func limit(to seconds: Double) {
        guard let handle else { return }
        deadline.pointee = Self.monotonic() + seconds
        sqlite3_progress_handler(
            handle, 1000, { $0.map { SQLiteConnection.monotonic() > $0.load(as: Double.self) ? 1 : 0 } ?? 0 }, deadline)
    }
    private let deadline = UnsafeMutablePointer<Double>.allocate(capacity: 1)

    /// Moves the WAL into the file. True when nothing is left of it.
    func checkpoint(_ mode: Int32) throws -> Bool {
        guard let handle else { throw StoreError.unavailable("the file is closed") }
        var inLog: Int32 = 0
        var moved: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(handle, nil, mode, &inLog, &moved)
        guard code == SQLITE_OK || code == SQLITE_BUSY else { throw failure(code) }
        return code == SQLITE_OK && inLog == moved
    }

    // MARK: Statements

    private func prepared(_ text: String) throws -> OpaquePointer {
        if let statement = statements[text] { return statement }
        guard let handle else { throw StoreError.unavailable("the file is closed") }
        if statements.count >= Self.statementsMax {
            for statement in statements.values { sqlite3_finalize(statement) }
            statements = [:]
        }
        var made: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
        guard code == SQLITE_OK, let made else { throw failure(code) }
        statements[text] = made
        return made
    }

    private func bind(_ value: Cell, at index: Int32, to statement: OpaquePointer) throws {
        let transient = patchbay_sqlite_transient()
        if case .blob(let blob) = value { boundBytes &+= blob.count }
        let code: Int32 =
            switch value {
            case .null: sqlite3_bind_null(statement, index)
            case .integer(let integer): sqlite3_bind_int64(statement, index, integer)
            case .real(let real): sqlite3_bind_double(statement, index, real)
            case .text(var text):
                text.withUTF8 { utf8 in
                    boundBytes &+= utf8.count
                    return utf8.withMemoryRebound(to: CChar.self) {
                        sqlite3_bind_text(statement, index, $0.baseAddress ?? Self.nothing, Int32($0.count), transient)
                    }
                }
            case .blob(let blob):
                blob.isEmpty
                    ? sqlite3_bind_zeroblob(statement, index, 0)
                    : blob.withUnsafeBytes {
                        sqlite3_bind_blob(statement, index, $0.baseAddress, Int32($0.count), transient)
                    }
            }
        guard code == SQLITE_OK else { throw failure(code) }
    }
    /// An empty text binds as NULL when its address is nil.
    nonisolated(unsafe) private static let nothing = UnsafePointer<CChar>(strdup(""))

    private static func cells(of statement: OpaquePointer) -> [Cell] {
        (0..<sqlite3_column_count(statement)).map { column in
            switch sqlite3_column_type(statement, column) {
            case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
            case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, column))
            case SQLITE_TEXT:
                let count = Int(sqlite3_column_bytes(statement, column))
                guard let bytes = sqlite3_column_text(statement, column) else { return .text("") }
                return .text(String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self))
            case SQLITE_BLOB:
                let count = Int(sqlite3_column_bytes(statement, column))
                guard let bytes = sqlite3_column_blob(statement, column) else { return .blob([]) }
                return .blob([UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
            default: return .null
            }
        }
    }

    // MARK: Failures

    private func failure(_ code: Int32) -> StoreError {
        let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "closed"
        switch code & 0xFF {
        case SQLITE_CONSTRAINT: return .constraint(message)
        case SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE: return .unholdable(message)
        case SQLITE_FULL: return .unavailable("the disk is full (\(message))")
        case SQLITE_IOERR:
            diskFailed = true
            return .unavailable("the disk fails (\(message), code \(code))")
        case SQLITE_READONLY: return .unavailable("the file cannot be written (\(message))")
        case SQLITE_BUSY, SQLITE_LOCKED: return .unavailable("another program holds the file (\(message))")
        case SQLITE_CANTOPEN: return .unavailable("the file cannot be opened (\(message))")
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .unavailable("the file is damaged (\(message)); restore a backup")
        case SQLITE_INTERRUPT: return .unavailable("the query took longer than it may")
        case SQLITE_NOMEM: return .unavailable("no memory")
        default: return .statement("\(message), code \(code)")
        }
    }

    static func monotonic() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
