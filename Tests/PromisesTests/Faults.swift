import Foundation

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

/// Makes system calls of a running process fail.
final class Strace {
    static let isUsable = geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")
    private let process: ChildProcess

    init(attachedTo pid: Int32, injecting fault: String) throws {
        let calls = fault.split(separator: ":")[0]
        process = try ChildProcess(
            "/usr/bin/strace",
            ["-f", "-qq", "-o", "/dev/null", "-e", "trace=\(calls)", "-e", "inject=\(fault)", "-p", "\(pid)"])
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

    func control(_ arguments: [String]) throws {
        let script = FaultLayer.root.appendingPathComponent("scripts/postgres-control").path
        guard try shell(script, arguments, environment: environment) == 0 else {
            throw ServerDied(log: "postgres-control \(arguments)")
        }
    }

    func stop() {
        holder.signal(SIGTERM)
        holder.wait()
    }
}

private func shell(_ path: String, _ arguments: [String], environment: [String: String]? = nil) throws -> Int32 {
    try ChildProcess(path, arguments, environment: environment).wait()
}
