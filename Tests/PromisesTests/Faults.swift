import Foundation
import Testing

/// The layer that drops what was not synced when the process is killed.
enum FaultLayer {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let library = root.appendingPathComponent(".build/unsynced.so").path
    private static let folder = root.appendingPathComponent("Tests/Torture/unsynced")

    /// Compiled here when there is a C compiler.
    static let isBuilt = (try? shell(folder.appendingPathComponent("build").path, [library])) == 0

    static func environment(for database: String) -> [String: String] {
        ["LD_PRELOAD": library, "UNSYNCED_PATH": database]
    }
    static func restore(beside database: String) throws {
        let place = URL(fileURLWithPath: database).deletingLastPathComponent().path
        guard try shell(folder.appendingPathComponent("unsynced-restore").path, [place]) == 0 else {
            throw ServerDied(log: "unsynced-restore failed")
        }
    }
}

/// The same for a PostgreSQL with all its processes.
struct ClusterFaultLayer {
    private static let library = FaultLayer.root.appendingPathComponent(".build/unsynced-cluster.so").path
    private static let folder = FaultLayer.root.appendingPathComponent("Tests/Torture/unsynced")
    static let isBuilt = (try? shell(folder.appendingPathComponent("build").path, [library, "cluster.c"])) == 0

    let cluster: PostgresCluster
    private var store: String { cluster.folder + "/unsynced" }

    /// Puts the layer below a cluster that runs without it.
    init(below cluster: PostgresCluster) throws {
        self.cluster = cluster
        // Where the server's own user reaches both.
        try FileManager.default.copyItem(atPath: Self.library, toPath: cluster.folder + "/cluster.so")
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: false)
        chmod(store, 0o777)
        chmod(cluster.folder + "/cluster.so", 0o755)
        try cluster.control(["stop", "fast"])
        try start()
    }

    func start() throws {
        try cluster.control(
            ["start"],
            adding: [
                "LD_PRELOAD": cluster.folder + "/cluster.so", "UNSYNCED_DATA": cluster.folder + "/data",
                "UNSYNCED_STORE": store,
            ])
    }

    /// Cuts the power: what was not synced is gone when it starts again.
    func cutPower() throws {
        try cluster.killAll()
        guard
            try shell(Self.folder.appendingPathComponent("cluster-restore").path, [cluster.folder + "/data", store])
                == 0
        else { throw ServerDied(log: "cluster-restore failed") }
    }
}

/// Makes system calls of a running process fail.
final class Strace: Sendable {
    static let isUsable = geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")
    private let process: ChildProcess

    private init(_ process: ChildProcess) { self.process = process }

    /// Returns when the calls of the process begin to fail.
    static func attach(to pid: Int32, injecting fault: String) async throws -> Strace {
        let calls = fault.split(separator: ":")[0]
        let process = try ChildProcess(
            "/usr/bin/strace",
            ["-f", "-qq", "-o", "/dev/null", "-e", "trace=\(calls)", "-e", "inject=\(fault)", "-p", "\(pid)"])
        let isAttached = try await eventually {
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            return status.contains("TracerPid:") && !status.contains("TracerPid:\t0\n")
        }
        try #require(isAttached)
        return Strace(process)
    }
    /// The traced process goes on by itself when its tracer is gone; an orderly end waits for a quiet moment that a
    /// process under load never has.
    func detach() {
        process.signal(SIGKILL)
        process.wait()
    }
}

/// A PostgreSQL of a test's own, with real syncs, that can be killed and started again.
final class PostgresCluster: @unchecked Sendable {  // Used by one test.
    let url: String
    private let holder: ChildProcess
    private let environment: [String: String]

    private init(holder: ChildProcess, environment: [String: String]) {
        self.holder = holder
        self.environment = environment
        url = environment["PATCHBAY_TEST_POSTGRES"] ?? ""
    }

    static func start() async throws -> PostgresCluster {
        let report = FileManager.default.temporaryDirectory.appendingPathComponent(
            "patchbay-cluster-\(UUID().uuidString)")
        let script = "env > '\(report.path).part'; mv '\(report.path).part' '\(report.path)'; sleep 3600"
        let holder = try ChildProcess(
            FaultLayer.root.appendingPathComponent("scripts/with-postgres").path,
            ["--durable", "--", "bash", "-c", script])
        for _ in 0..<600 {
            if let text = try? String(contentsOf: report, encoding: .utf8) {
                try FileManager.default.removeItem(at: report)
                let pairs = text.split(separator: "\n").compactMap { line -> (String, String)? in
                    let parts = line.split(separator: "=", maxSplits: 1)
                    return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
                }
                return PostgresCluster(holder: holder, environment: Dictionary(pairs, uniquingKeysWith: { $1 }))
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw ServerDied(log: "PostgreSQL did not start")
    }

    func control(_ arguments: [String], adding more: [String: String] = [:]) throws {
        let script = FaultLayer.root.appendingPathComponent("scripts/postgres-control").path
        guard try shell(script, arguments, environment: environment.merging(more) { $1 }) == 0 else {
            throw ServerDied(log: "postgres-control \(arguments)")
        }
    }

    var folder: String { environment["POSTGRES_DIR"] ?? "" }

    /// The server and its children, all at once: no word to anyone, no last write.
    func killAll() throws {
        let file = try String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
        guard let server = file.split(separator: "\n").first.flatMap({ pid_t($0) }) else {
            throw ServerDied(log: "postmaster.pid is empty")
        }
        kill(server, SIGSTOP)  // It makes no more children.
        let all = [server] + Self.children(of: server)
        for process in all { kill(process, SIGSTOP) }
        for process in all { kill(process, SIGKILL) }
        for process in all { while Self.lives(process) { usleep(1000) } }
    }

    /// Stops the server and its children where they are, or lets them go on: their sockets stay open and say nothing.
    func freeze(_ isFrozen: Bool) throws {
        let file = try String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
        guard let server = file.split(separator: "\n").first.flatMap({ pid_t($0) }) else {
            throw ServerDied(log: "postmaster.pid is empty")
        }
        // Children first when they go on: the server reaps those that have ended meanwhile.
        if isFrozen { kill(server, SIGSTOP) }
        for child in Self.children(of: server) { kill(child, isFrozen ? SIGSTOP : SIGCONT) }
        if !isFrozen { kill(server, SIGCONT) }
    }

    private static func children(of server: pid_t) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { fields(of: $0).dropFirst().first == "\(server)" }
    }
    private static func lives(_ process: pid_t) -> Bool { !["Z", "X", nil].contains(fields(of: process).first) }

    /// State, parent and so on: what stands after the name in the process's line. Empty when it is gone.
    private static func fields(of process: pid_t) -> [Substring] {
        let line = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
        return line.split(separator: ")").last?.split(separator: " ") ?? []
    }

    func stop() {
        holder.signal(SIGTERM)
        holder.wait()
    }
}

private func shell(_ path: String, _ arguments: [String], environment: [String: String]? = nil) throws -> Int32 {
    try ChildProcess(path, arguments, environment: environment).wait()
}
