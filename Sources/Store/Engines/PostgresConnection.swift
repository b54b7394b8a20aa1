import CPQ
import Glibc

/// One connection to PostgreSQL. Belongs to one thread; `cancel` and `cut` may be called from another.
final class PostgresConnection {
    private let handle: OpaquePointer
    private let canceller: PostgresCanceller?
    private var prepared: [String: String] = [:]
    private(set) var changedRows = 0
    private static let statementsMax = 512

    /// What every session is given. Deadlines end what hangs on the server; the watchdog ends what hangs on the way.
    private static let settings = [
        "search_path=patchbay", "statement_timeout=10000", "lock_timeout=8000",
        "idle_in_transaction_session_timeout=15000", "synchronous_commit=on", "TimeZone=UTC",
        "client_encoding=UTF8", "client_min_messages=warning", "default_transaction_isolation=read\\ committed",
    ].map { "-c \($0)" }.joined(separator: " ")

    init(url: String, settings: String = PostgresConnection.settings) throws {
        let parameters = [
            ("dbname", url), ("connect_timeout", "5"), ("tcp_user_timeout", "10000"), ("keepalives", "1"),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("fallback_application_name", "patchbay"), ("options", settings),
        ]
        let opened = withCStrings(parameters.map(\.0)) { names in
            withCStrings(parameters.map(\.1)) { values in PQconnectdbParams(names, values, 1) }
        }
        guard let opened else { throw StoreError.unavailable("no memory for a connection") }
        guard PQstatus(opened) == CONNECTION_OK else {
            let reason = Self.firstLine(PQerrorMessage(opened))
            PQfinish(opened)
            throw StoreError.unavailable("PostgreSQL cannot be reached: \(reason)")
        }
        handle = opened
        canceller = PQgetCancel(opened).map(PostgresCanceller.init)
    }

    deinit { PQfinish(handle) }

    var isAlive: Bool { PQstatus(handle) == CONNECTION_OK }
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }
    var socket: Int32 { PQsocket(handle) }
    var serverVersion: Int32 { PQserverVersion(handle) }
    /// The server's process, as whoever answered the connection names it; a pooler names one of its own.
    var serverProcess: Int32 { PQbackendPID(handle) }

    /// Asks the server to end the running statement; does not wait for it.
    func cancel() {
        if let canceller { startThread("pg-cancel") { canceller.cancel() } }
    }
    /// Ends the connection under whoever waits on it: the blocked call returns with an error.
    func cut() { shutdown(PQsocket(handle), Int32(SHUT_RDWR)) }

    /// Runs text that binds nothing, one or several statements in one round trip.
    func execute(_ text: String) throws {
        let result = PQexec(handle, text)
        defer { PQclear(result) }
        try check(result)
    }

    func run(_ text: String, _ cells: [Cell]) throws -> [[Cell]] {
        let name = try statement(for: text)
        let result = try withParameters(cells) { values, lengths, formats in
            PQexecPrepared(handle, name, Int32(cells.count), values, lengths, formats, 0)
        }
        defer { PQclear(result) }
        try check(result)
        changedRows = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
        return Self.cells(of: result)
    }

    /// Whether the server answers a question within `milliseconds`. If not, the connection is of no use any more.
    func answers(within milliseconds: Int32) throws -> Bool {
        guard PQsendQuery(handle, "SELECT 1") == 1 else { throw lost() }
        while true {
            while PQisBusy(handle) == 1 {
                var watched = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
                guard poll(&watched, 1, milliseconds) != 0 else { return false }
                guard PQconsumeInput(handle) == 1 else { throw lost() }
            }
            guard let result = PQgetResult(handle) else { return true }
            defer { PQclear(result) }
            try check(result)
        }
    }

    /// Waits for notifications up to `milliseconds`; answers the channels that were heard from others.
    func notifications(waiting milliseconds: Int32) throws -> [String] {
        var watched = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        _ = poll(&watched, 1, milliseconds)
        guard PQconsumeInput(handle) == 1 else { throw lost() }
        var heard: [String] = []
        while let notice = PQnotifies(handle) {
            if notice.pointee.be_pid != PQbackendPID(handle) { heard.append(String(cString: notice.pointee.relname)) }
            PQfreemem(notice)
        }
        return heard
    }

    // MARK: Statements

    private func statement(for text: String) throws -> String {
        if let name = prepared[text] { return name }
        if prepared.count >= Self.statementsMax {
            try execute("DEALLOCATE ALL")
            prepared = [:]
        }
        let name = "s\(prepared.count)"
        let result = PQprepare(handle, name, text, 0, nil)
        defer { PQclear(result) }
        try check(result)
        prepared[text] = name
        return name
    }

    /// Text for everything but bytes; PostgreSQL infers the types.
    private func withParameters<Value>(
        _ cells: [Cell],
        _ use: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Value
    ) throws -> Value {
        var storage: [[CChar]?] = []
        storage.reserveCapacity(cells.count)
        var formats = [Int32](repeating: 0, count: cells.count)
        var lengths = [Int32](repeating: 0, count: cells.count)
        for (index, cell) in cells.enumerated() {
            switch cell {
            case .null: storage.append(nil)
            case .integer(let integer): storage.append(Self.text(String(integer)))
            case .real(let real): storage.append(Self.text(String(real)))
            case .text(let text):
                guard !text.utf8.contains(0) else { throw StoreError.unholdable("text with U+0000") }
                storage.append(Self.text(text))
            case .blob(let bytes):
                formats[index] = 1
                lengths[index] = Int32(bytes.count)
                // One byte more, so that an empty value has an address and is not NULL.
                storage.append(bytes.withUnsafeBytes { [CChar]($0.bindMemory(to: CChar.self)) + [0] })
            }
        }
        return withPointers(to: storage) { pointers in
            lengths.withUnsafeBufferPointer { lengths in
                formats.withUnsafeBufferPointer { formats in
                    use(pointers.baseAddress, lengths.baseAddress, formats.baseAddress)
                }
            }
        }
    }
    private static func text(_ text: String) -> [CChar] { text.utf8CString.withUnsafeBufferPointer { Array($0) } }

    private static func cells(of result: OpaquePointer?) -> [[Cell]] {
        let columns = (0..<PQnfields(result)).map { ($0, PQftype(result, $0)) }
        return (0..<PQntuples(result)).map { row in
            columns.map { column, type in
                guard PQgetisnull(result, row, column) == 0, let value = PQgetvalue(result, row, column) else {
                    return .null
                }
                return cell(value, count: Int(PQgetlength(result, row, column)), type: type)
            }
        }
    }

    private static func cell(_ value: UnsafePointer<CChar>, count: Int, type: Oid) -> Cell {
        let bytes = UnsafeRawBufferPointer(start: value, count: count)
        switch type {
        case 20, 21, 23, 26:  // int8, int2, int4, oid
            return .integer(Int64(String(decoding: bytes, as: UTF8.self)) ?? 0)
        case 1700:  // numeric, as sum(bigint) answers
            let text = String(decoding: bytes, as: UTF8.self)
            return Int64(text).map(Cell.integer) ?? Double(text).map(Cell.real) ?? .text(text)
        case 16: return .integer(value.pointee == CChar(bitPattern: UInt8(ascii: "t")) ? 1 : 0)  // bool
        case 700, 701: return .real(Double(String(decoding: bytes, as: UTF8.self)) ?? 0)  // float4, float8
        case 17: return .blob(unhex(bytes))  // bytea, as \x…
        default: return .text(String(decoding: bytes, as: UTF8.self))
        }
    }

    private static func unhex(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        guard text.count >= 2 else { return [] }
        func digit(_ byte: UInt8) -> UInt8 {
            byte <= UInt8(ascii: "9") ? byte &- UInt8(ascii: "0") : (byte | 0x20) &- 87
        }
        return [UInt8](unsafeUninitializedCapacity: text.count / 2 - 1) { buffer, count in
            count = text.count / 2 - 1
            for index in 0..<count {
                buffer[index] = digit(text[2 + index * 2]) << 4 | digit(text[3 + index * 2])
            }
        }
    }

    // MARK: Failures

    private func check(_ result: OpaquePointer?) throws {
        let status = PQresultStatus(result)
        guard status != PGRES_COMMAND_OK, status != PGRES_TUPLES_OK else { return }
        guard let result, isAlive else { throw lost() }
        let state = PQresultErrorField(result, 67).map { String(cString: $0) } ?? ""  // PG_DIAG_SQLSTATE
        let message = Self.firstLine(PQresultErrorMessage(result))
        switch state.prefix(2) {
        case "22": throw StoreError.unholdable(message)
        case "23": throw StoreError.constraint(message)
        case "40": throw StoreError.conflict
        case "08", "57", "53", "58", "25", "55": throw StoreError.unavailable("PostgreSQL: \(message) (\(state))")
        default: throw StoreError.statement("\(message) (\(state))")
        }
    }

    private func lost() -> StoreError {
        .unavailable("the connection to PostgreSQL is lost: \(Self.firstLine(PQerrorMessage(handle)))")
    }

    private static func firstLine(_ message: UnsafePointer<CChar>?) -> String {
        guard let message else { return "no reason given" }
        return String(String(cString: message).split(separator: "\n").first ?? "no reason given")
    }
}

/// Asks a server to end what one of its connections runs; outlives that connection. libpq waits for the answer without
/// a bound, and a server that hangs gives none: only on a thread of its own.
///
/// `@unchecked Sendable`: libpq reads it and nothing writes it.
private final class PostgresCanceller: @unchecked Sendable {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }
    deinit { PQfreeCancel(handle) }

    func cancel() {
        var reason = [CChar](repeating: 0, count: 256)
        PQcancel(handle, &reason, 256)
    }
}

/// Calls `use` with pointers to all texts and a nil at the end, as C expects.
private func withCStrings<Value>(_ texts: [String], _ use: (UnsafePointer<UnsafePointer<CChar>?>?) -> Value) -> Value {
    withPointers(to: texts.map { Array($0.utf8CString) } + [nil]) { use($0.baseAddress) }
}

/// Copies all arrays into one block and calls `use` with a pointer to each.
private func withPointers<Value>(
    to arrays: [[CChar]?], _ use: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Value
) -> Value {
    let total = arrays.reduce(0) { $0 + ($1?.count ?? 0) }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: max(total, 1)) { block in
        var pointers: [UnsafePointer<CChar>?] = []
        pointers.reserveCapacity(arrays.count)
        var offset = 0
        for array in arrays {
            guard let array, let start = block.baseAddress else {
                pointers.append(nil)
                continue
            }
            array.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { (start + offset).update(from: base, count: source.count) }
            }
            pointers.append(UnsafePointer(start + offset))
            offset += array.count
        }
        return pointers.withUnsafeBufferPointer(use)
    }
}
