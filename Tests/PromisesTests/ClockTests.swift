import Engine
import Foundation
import Kit
import Server
import Synchronization
import TestSupport
import Testing

@testable import Store

@Suite("R6 a wall clock that jumps", .serialized, .enabled(if: ShiftedClock.isBuilt))
struct ClockTests {
    /// An hour and a day, ahead and back, each undone again.
    private static let jumps = [3600, 0, -3600, 0, 86_400, 0, -86_400, 0]

    @Test(
        "no session ends, nothing is lost or done twice, what was refused meanwhile is taken then",
        arguments: TestEngine.all)
    func jumps(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let receiver = Receiver(port: try freePort())
            let listening = Task { try await receiver.run() }
            defer { listening.cancel() }
            let clock = try ShiftedClock()
            let server = try ServerProcess(
                databaseURL: url,
                environment: clock.environment.merging(["PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8"]) { $1 })
            let key = try server.makeKey()
            try await server.start()
            try receiver.trust(try await server.addEndpoint(receiver.url, types: ["event.received"], key: key))
            let heard = HeardEvents(receiver)
            let node = try await server.json("/v1/nodes", key: key)["data"]?.elements?.first?["id"]?.text

            var sent: [String] = []
            for (round, jump) in Self.jumps.enumerated() {
                clock.set(jump)
                for number in 0..<20 {
                    let id = "evt_\(round)_\(number)"
                    // Signed by the true time: believed while the clock is right, refused while it is not.
                    #expect(try await server.deliver(id, type: "price.created") == (jump == 0 ? 200 : 401))
                    sent.append(id)
                }
                // Who has a key, is known; a wish said twice is done once.
                let known = try await server.get("/v1/users", headers: [("Authorization", "Bearer \(key)")])
                #expect(known.status == 200, "\(jump) s: \(String(decoding: known.body, as: UTF8.self))")
                let wish = try await server.addKey(named: "twin", idempotencyKey: "one-wish", key: key)
                #expect(wish == (round == 0 ? 201 : 409), "\(jump) s")
                try await Task.sleep(for: .milliseconds(jump == 0 ? 300 : 1500))
            }
            for id in sent { #expect(try await server.deliver(id, type: "price.created") == 200) }

            #expect(try await eventually { heard.ids.count == sent.count })
            #expect(Set(heard.ids) == Set(sent), "each was told")
            #expect(heard.events.count == sent.count, "each is one event")
            for line in ["node.revoked", "node.lost", "job.fenced", "sequencer.ended", "endpoint.ended"] {
                #expect(!server.logText.contains(line), "\(line)")
            }
            let nodes = try await server.json("/v1/nodes", key: key)["data"]?.elements ?? []
            #expect(nodes.compactMap { $0["id"]?.text } == [node].compactMap(\.self))
            #expect(server.stop() == 0)
        }
    }

    @Test(
        "a schedule that ran while the clock was a day ahead runs again within its interval", arguments: TestEngine.all)
    func schedule(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let clock = try ShiftedClock()
            let server = try ServerProcess(databaseURL: url, environment: clock.environment)
            try await server.start()

            clock.set(86_400)
            let ran = try await eventually { try await Self.nextRun(url, engine) > Timestamp.system + .hours(24) }
            clock.set(0)
            let isBack = try await eventually { try await Self.nextRun(url, engine) <= Timestamp.system + .hours(1) }

            #expect(ran && isBack)
            #expect(server.stop() == 0)
        }
    }

    private static func nextRun(_ url: String, _ engine: TestEngine) async throws -> Timestamp {
        try await DurabilityTests.read(url, engine) { session in
            try session.row("SELECT min(next_at) FROM schedules") { try $0.time() } ?? .zero
        }
    }
}

/// A wall clock that a test sets while a server runs by it.
private final class ShiftedClock {
    private static let library = FaultLayer.root.appendingPathComponent(".build/shifted.so").path
    static let isBuilt = {
        let build = FaultLayer.root.appendingPathComponent("Tests/Torture/unsynced/build").path
        return (try? ChildProcess(build, [library, "../shifted.c"]).wait()) == 0
    }()

    private let file: URL

    init() throws {
        file = FileManager.default.temporaryDirectory.appendingPathComponent("shift-\(UUID().uuidString)")
        try Data(count: 8).write(to: file)
    }
    deinit { try? FileManager.default.removeItem(at: file) }  // A leftover of eight bytes harms nobody.

    var environment: [String: String] { ["LD_PRELOAD": Self.library, "SHIFTED_CLOCK": file.path] }

    /// By so many seconds the clock is wrong from now on.
    func set(_ seconds: Int) {
        guard let handle = FileHandle(forWritingAtPath: file.path) else { return }
        handle.write(withUnsafeBytes(of: Int64(seconds).littleEndian) { Data($0) })
        handle.closeFile()
    }
}

/// Which of the platform's events an application heard of.
private final class HeardEvents: Sendable {
    private let state = Mutex<[(event: String, platform: String)]>([])

    init(_ receiver: Receiver) {
        Task {
            for await received in receiver.received where received.isProven {
                guard let data = received.body["data"], let event = data["id"]?.text else { continue }
                let platform = data["provider_event_id"]?.text ?? ""
                self.state.withLock { heard in
                    if !heard.contains(where: { $0.event == event }) { heard.append((event, platform)) }
                }
            }
        }
    }
    var events: [String] { state.withLock { $0.map(\.event) } }
    var ids: [String] { state.withLock { $0.map(\.platform) } }
}

extension ServerProcess {
    fileprivate func addKey(named name: String, idempotencyKey: String, key: String) async throws -> Int {
        let headers = [
            ("Authorization", "Bearer \(key)"), ("Idempotency-Key", idempotencyKey),
            ("Content-Type", "application/json"),
        ]
        let body = #"{"name":"\#(name)","scopes":["read"]}"#
        return try await post("/v1/keys", headers: headers, body: Array(body.utf8)).status
    }
}
