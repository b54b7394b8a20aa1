import Foundation
import Kit
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// PROMISES R20 for tokens: in no table, log or file, whatever happens to them.
@Suite("Tokens stay sealed")
struct TokenCanaryTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var text: String { lines.withLock { $0.joined(separator: "\n") } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }
    private struct Keeping: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { lines.add("\(event.message) \(event.metadata ?? [:])") }
    }

    @Test("got, refreshed, refused, not heard of, taken back: never in clear")
    func sealed() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let path = String(url.dropFirst("sqlite:".count))
            let database = try SQLiteDatabase(path: path, owner: true, logger: .quiet)
            _ = try await database.migrate(program: "test", at: .testNow)
            let (clock, lines) = (SleepersClock(), Lines())
            let platform = FakePlatform(now: { clock.now })
            let logger = Logger(label: "t") { _ in Keeping(lines: lines) }
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source, logger: logger)
            let node = try await rig.node()
            for fault in [FakePlatform.Fault.status(500), .lostUnheard, .answer(200, "{}")] {
                platform.fail(fault)
                _ = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
            }
            // The platform's own word may hold anything.
            platform.fail(.answer(400, #"{"error":"canary word"}"#))
            _ = try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
            #expect(lines.text.contains("tokens.refresh_failed") && !lines.text.contains("canary"))
            #expect(try await node.refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero) == .renewed(2))
            let access = try await node.connections.credential(of: rig.connection).access
            #expect(try await node.connections.disconnect(rig.connection, reason: "disconnected", by: "t"))
            await database.close()

            let marks = (1...9).flatMap { ["act.\($0)", "rft.\($0)", "code-\($0)"] }
            #expect(access.reveal { String(decoding: $0, as: UTF8.self) } == "act.3")
            var bytes = Data()
            for file in [path, path + "-wal"] where FileManager.default.fileExists(atPath: file) {
                bytes += try Data(contentsOf: URL(fileURLWithPath: file))
            }
            #expect(bytes.count > 10_000 && lines.text.contains("tokens.refreshed"))
            for mark in marks {
                #expect(bytes.range(of: Data(mark.utf8)) == nil, "\(mark) in the database")
                #expect(!lines.text.contains(mark), "\(mark) in the log")
            }
        }
    }
}
