import Foundation
import Kit
import Synchronization
import TestSupport
import Testing

@testable import Store

@Suite("R27: a backup holds", .serialized)
struct BackupTests {
    @Test(
        "taken while webhooks are written at speed: what was acknowledged before it is in it, whole, and goes on",
        arguments: TestEngine.all)
    func whileWriting(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            try await TestDatabase.withAddress(engine) { target in
                try await Folder.with { folder in
                    let server = try ServerProcess(databaseURL: url)
                    try await server.start()
                    let acknowledged = Acknowledged()
                    let writing = Task { await write(to: server, acknowledged) }
                    try await eventually { acknowledged.all.count > 300 }
                    let before = acknowledged.all

                    let file = folder + "/backup"
                    let made = try Self.patchbay(["backup", "--to", file, "--database", url, "--json"])
                    writing.cancel()
                    await writing.value
                    #expect(made.status == 0, "\(made.output)")
                    #expect(acknowledged.all.count > before.count)
                    #expect(server.stop() == 0)

                    let restored = try Self.patchbay(["restore", file, "--to", target, "--json"])
                    #expect(restored.status == 0, "\(restored.output)")
                    try await check(target, engine, holds: before)
                    let again = try Self.patchbay(["restore", file, "--to", target])
                    #expect(again.status == 1 && again.output.contains("must be empty"), "\(again.output)")
                    try await goesOn(target, engine)
                }
            }
        }
    }

    private func write(to server: ServerProcess, _ acknowledged: Acknowledged) async {
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<16 {
                group.addTask {
                    var number = 0
                    while !Task.isCancelled {
                        let id = "evt_\(worker)_\(number)"
                        // Not acknowledged, not counted.
                        if (try? await server.deliver(id, customer: "cus_\(worker)")) == 200 { acknowledged.add(id) }
                        number += 1
                    }
                }
            }
        }
    }

    private func check(_ url: String, _ engine: TestEngine, holds before: Set<String>) async throws {
        if engine == .sqlite {
            #expect(try SQLiteCopy.problems(in: String(url.dropFirst("sqlite:".count))) == [])
        }
        let database = try TestDatabase.open(url, engine)
        let (kept, facts) = try await database.read("kept") { session in
            (
                Set(try session.rows("SELECT provider_event_id FROM events") { try $0.optionalText() ?? "" }),
                try session.contentFacts()
            )
        }
        await database.close()
        #expect(before.subtracting(kept) == [])
        #expect(facts.faults == [])
    }

    /// A server on the restored database finishes what was waiting when the backup was taken.
    private func goesOn(_ url: String, _ engine: TestEngine) async throws {
        let server = try ServerProcess(databaseURL: url)
        try await server.start()
        #expect(try await server.deliver("evt_after") == 200)
        try await eventually {
            let database = try TestDatabase.open(url, engine)
            let queued = try await database.read("queued") { session in
                try session.row("SELECT count(*) FROM events WHERE state = 'queued'") { try $0.integer() }
            }
            await database.close()
            return queued == 0
        }
        #expect(server.stop() == 0)
    }

    @Test("a backup that was cut, or whose manifest is gone, is refused", arguments: TestEngine.all)
    func damaged(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            try await TestDatabase.withAddress(engine) { target in
                try await Folder.with { folder in
                    let server = try ServerProcess(databaseURL: url)
                    try await server.start()
                    #expect(try await server.deliver("evt_1") == 200)
                    #expect(server.stop() == 0)
                    let file = folder + "/backup"
                    #expect(try Self.patchbay(["backup", "--to", file, "--database", url]).status == 0)
                    let over = try Self.patchbay(["backup", "--to", file, "--database", url])
                    #expect(over.status == 1 && over.output.contains("exists already"))

                    let whole = try #require(FileManager.default.contents(atPath: file))
                    try whole.dropLast().write(to: URL(filePath: file))
                    let cut = try Self.patchbay(["restore", file, "--to", target])
                    try whole.write(to: URL(filePath: file))
                    try FileManager.default.moveItem(atPath: file + ".manifest.json", toPath: folder + "/m")
                    let bare = try Self.patchbay(["restore", file, "--to", target])
                    try FileManager.default.moveItem(atPath: folder + "/m", toPath: file + ".manifest.json")

                    #expect(cut.status == 1 && cut.output.contains("cut or changed"), "\(cut.output)")
                    #expect(bare.status == 1 && bare.output.contains("is missing"), "\(bare.output)")
                    #expect(try Self.patchbay(["restore", file, "--to", target]).status == 0)
                }
            }
        }
    }

    @Test("without pg_dump it says what to install", .enabled(if: TestEngine.postgresURL != nil))
    func noProgram() async throws {
        try await TestDatabase.withAddress(.postgres) { url in
            let server = try ServerProcess(databaseURL: url)
            try await server.start()
            #expect(server.stop() == 0)
            try await Folder.with { folder in
                let made = try Self.patchbay(["backup", "--to", folder + "/b", "--database", url], path: folder)
                #expect(made.status == 1 && made.output.contains("apt install postgresql-client"), "\(made.output)")
            }
        }
    }

    /// Runs the program. Its exit status, and what it said.
    private static func patchbay(_ arguments: [String], path: String = "/usr/bin:/bin") throws -> (
        status: Int32, output: String
    ) {
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("out-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: output) }  // A leftover harms nobody.
        let child = try ChildProcess(
            ServerProcess.binary.path, arguments,
            environment: [
                "PATH": path, "PATCHBAY_MODE": "test", "PATCHBAY_ENCRYPTION_KEYS": ServerProcess.encryptionKey,
            ], output: output)
        let status = child.wait()
        return (status, try String(contentsOfFile: output, encoding: .utf8))
    }

    /// Asks again until it is so, for at most two minutes: the bound says only that it hangs.
    private func eventually(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<2400 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("It did not become so in time.")
    }
}

/// Ids of events that were answered 200.
private final class Acknowledged: Sendable {
    private let ids = Mutex<Set<String>>([])
    var all: Set<String> { ids.withLock { $0 } }
    func add(_ id: String) { ids.withLock { _ = $0.insert(id) } }
}

/// A folder for one test.
enum Folder {
    static func with(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patchbay-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // A leftover harms nobody.
        try await body(folder.path)
    }
}
