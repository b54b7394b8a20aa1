import AsyncHTTPClient
import Crypto
import Foundation
import Kit
import NIOCore
import NIOHTTP1
import Store
import Synchronization
import TestSupport

/// The built server as a process of its own: started, spoken to, killed.
final class ServerProcess: @unchecked Sendable {  // The test is its only user; requests only read.
    static let secret = "whsec_promises_0123456789abcdef"
    static let encryptionKey = "k1:" + Data(repeating: 7, count: 32).base64EncodedString()

    let databaseURL: String
    let port: Int
    private let log: URL
    /// Settings besides the usual, from the next start on.
    var environment: [String: String]
    /// Files and sockets that it may have open; nil for what this process may.
    var descriptorsMax: Int?
    private var process: ChildProcess?

    init(databaseURL: String, port: Int? = nil, environment: [String: String] = [:]) throws {
        self.databaseURL = databaseURL
        self.environment = environment
        self.port = try port ?? freePort()
        log = FileManager.default.temporaryDirectory.appendingPathComponent("patchbay-\(UUID().uuidString).log")
    }
    deinit {
        crash()
        try? FileManager.default.removeItem(at: log)  // A leftover log harms nobody.
    }

    /// Where the build put the program that these tests belong to.
    static var binary: URL {
        if let path = ProcessInfo.processInfo.environment["PATCHBAY_BINARY"] { return URL(fileURLWithPath: path) }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent(".build/debug/patchbay")
    }

    var pid: Int32 { process?.pid ?? 0 }
    var openDescriptors: Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0 }
    var isRunning: Bool { process?.isRunning ?? false }
    var logText: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    func start() async throws {
        try launch()
        try await waitUntilReady()
    }

    /// Starts it and does not wait.
    func launch() throws {
        let variables = [
            "PATH": "/usr/bin:/bin", "PATCHBAY_MODE": "test", "PATCHBAY_DATABASE_URL": databaseURL,
            "PATCHBAY_LISTEN": "127.0.0.1:\(port)", "PATCHBAY_ENCRYPTION_KEYS": Self.encryptionKey,
            "STRIPE_WEBHOOK_SECRET": Self.secret, "PATCHBAY_LOG": "text,notice", "SWIFT_BACKTRACE": "enable=no",
        ].merging(environment) { $1 }
        let program = Self.binary.path
        let (path, arguments) =
            descriptorsMax.map { ("/bin/sh", ["-c", "ulimit -n \($0); exec \"$0\" serve", program]) }
            ?? (program, ["serve"])
        process = try ChildProcess(path, arguments, environment: variables, output: log.path)
    }

    private func waitUntilReady() async throws {
        for _ in 0..<6000 {
            let status = try? await get("/livez").status
            if status == 200, isRunning { return }
            guard isRunning else { throw ServerDied(log: logText) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw ServerDied(log: "not ready after a minute\n" + logText)
    }

    func signal(_ number: Int32) { process?.signal(number) }

    /// Ends it at once, as a power switch for the process.
    func crash() {
        signal(SIGKILL)
        process?.wait()
    }

    /// Ends it in order. Its exit status.
    func stop() -> Int32 {
        signal(SIGTERM)
        return process?.wait() ?? -1
    }

    // MARK: Requests

    /// An address where nobody listens is told at once.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    struct Reply { let status: Int; let body: [UInt8]; let headers: [(String, String)] }

    func get(_ path: String, headers: [(String, String)] = []) async throws -> Reply {
        try await send(.init(url: "http://127.0.0.1:\(port)\(path)"), headers, nil)
    }

    func post(_ path: String, headers: [(String, String)], body: [UInt8]) async throws -> Reply {
        try await send(.POST, path, headers: headers, body: body)
    }

    func put(_ path: String, headers: [(String, String)], body: [UInt8]) async throws -> Reply {
        try await send(.PUT, path, headers: headers, body: body)
    }

    private func send(_ method: HTTPMethod, _ path: String, headers: [(String, String)], body: [UInt8]) async throws
        -> Reply
    {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.method = method
        return try await send(request, headers, body)
    }

    private func send(_ request: HTTPClientRequest, _ headers: [(String, String)], _ body: [UInt8]?) async throws
        -> Reply
    {
        var request = request
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response = try await Self.client.execute(request, timeout: .seconds(60))
        let bytes = try await response.body.collect(upTo: 8 << 20)
        return Reply(
            status: Int(response.status.code), body: Array(bytes.readableBytesView),
            headers: response.headers.map { ($0.name, $0.value) })
    }

    /// A key for the API, made by the command line before the server runs.
    func makeKey() throws -> String {
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("key-\(UUID().uuidString)").path
        let child = try ChildProcess(
            Self.binary.path, ["keys", "create", "--scope", "admin", "--database", databaseURL],
            environment: ["PATCHBAY_MODE": "test", "PATCHBAY_ENCRYPTION_KEYS": Self.encryptionKey], output: output)
        let status = child.wait()
        let text = try String(contentsOfFile: output, encoding: .utf8)
        try FileManager.default.removeItem(atPath: output)
        guard status == 0, let key = text.split(separator: "\n").first(where: { $0.hasPrefix("pb_test_") }) else {
            throw ServerDied(log: "keys create: \(status) \(text)")
        }
        return String(key)
    }

    /// Any method of the API.
    func call(_ method: String, _ path: String, _ body: JSON? = nil, key: String) async throws -> (
        status: Int, json: JSON
    ) {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.method = .init(rawValue: method)
        let reply = try await send(
            request, [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")], body?.bytes)
        return (reply.status, reply.body.isEmpty ? .null : try JSON.parse(reply.body))
    }

    func json(_ path: String, key: String) async throws -> JSON {
        try JSON.parse(try await get(path, headers: [("Authorization", "Bearer \(key)")]).body)
    }

    /// Its signing secret.
    func addEndpoint(_ url: String, types: [String], key: String) async throws -> Secret {
        let wish: JSON = ["url": .string(url), "types": .array(types.map(JSON.string))]
        let reply = try await post(
            "/v1/endpoints",
            headers: [
                ("Authorization", "Bearer \(key)"), ("Content-Type", "application/json"), ("Idempotency-Key", url),
            ],
            body: wish.bytes)
        guard reply.status == 201, let secret = try JSON.parse(reply.body)["secret"]?.text else {
            throw ServerDied(log: "endpoints: \(reply.status) \(String(decoding: reply.body, as: UTF8.self))")
        }
        return Secret(secret)
    }

    /// Sends an event as the platform would, signed now.
    func deliver(_ id: String, type: String = "invoice.paid", customer: String = "cus_1") async throws -> Int {
        let created = Int(Date().timeIntervalSince1970)
        let body = """
            {"id":"\(id)","object":"event","type":"\(type)","created":\(created),"livemode":false,\
            "data":{"object":{"id":"in_\(id)","object":"invoice","customer":"\(customer)","status":"paid"}}}
            """
        return try await deliver(bytes: Array(body.utf8))
    }

    func deliver(bytes: [UInt8], secret: String = ServerProcess.secret) async throws -> Int {
        try await deliver(reply: bytes, secret: secret).status
    }

    /// Sends bytes as the platform would, with more headers than it sends.
    func deliver(
        reply bytes: [UInt8], secret: String, to path: String = "/webhooks/stripe",
        adding headers: [(String, String)] = []
    ) async throws -> Reply {
        let time = Int(Date().timeIntervalSince1970)
        let mac = HMAC<SHA256>.authenticationCode(
            for: Array("\(time).".utf8) + bytes, using: SymmetricKey(data: Array(secret.utf8)))
        let hex = mac.map { String(format: "%02x", $0) }.joined()
        return try await post(
            path,
            headers: [("Stripe-Signature", "t=\(time),v1=\(hex)"), ("Content-Type", "application/json")] + headers,
            body: bytes)
    }
}

struct ServerDied: Error, CustomStringConvertible {
    let log: String
    var description: String { "the server ended; its log:\n\(log.suffix(3000))" }
}

/// A port that nobody listens on, and that no other test is given: a server that finds its port taken would leave its
/// test talking to another's.
func freePort() throws -> Int {
    for _ in 0..<2000 {
        let port = Int.random(in: 12_000..<20_000)
        if reserved.claim(port), isFree(port) { return port }
    }
    throw ServerDied(log: "no free port")
}

private let reserved = PortReservations()

/// Which ports are spoken for: in this process by a set, among test runs on one machine by locks on bytes of a file,
/// which end with their process.
private final class PortReservations: Sendable {
    private let file = open("/tmp/patchbay-test-ports", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    private let ports = Mutex<Set<Int>>([])

    func claim(_ port: Int) -> Bool {
        ports.withLock { ports in
            guard ports.insert(port).inserted else { return false }
            var lock = flock()
            lock.l_type = Int16(F_WRLCK)
            lock.l_whence = Int16(SEEK_SET)
            lock.l_start = off_t(port)
            lock.l_len = 1
            return fcntl(file, F_SETLK, &lock) == 0
        }
    }
}

private func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(clamping: port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// Whether the long forms run: `make torture`.
let isTorture = ProcessInfo.processInfo.environment["PATCHBAY_TORTURE"] == "1"
