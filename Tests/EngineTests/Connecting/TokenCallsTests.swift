import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

/// What stands in the log of calls and is held back by a circuit: requests for tokens are no exception.
@Suite("Requests for tokens are calls like others")
struct TokenCallsTests {
    private func with(
        _ engine: TestEngine,
        _ body: @Sendable @escaping (RefreshRig, SleepersClock, Refreshing, CallRecorder) async throws -> Void
    ) async throws {
        try await TestDatabase.with(engine) { database in
            let clock = SleepersClock()
            let platform = FakePlatform(now: { clock.now })
            let rig = try await RefreshRig(database, platform, rotation: .strict, time: clock.source)
            let recorder = CallRecorder(database: database, metrics: Metrics(), time: .system, logger: .quiet)
            let traffic = Traffic(
                quotas: Quotas(
                    book: QuotaBook([]), limiter: Limiter(time: rig.time), keeper: nil, isShared: false,
                    node: { "n" }, time: rig.time, logger: .quiet),
                circuits: Circuits(database: database, time: rig.time, logger: .quiet), recorder: recorder,
                ids: rig.ids, time: rig.time)
            try await body(rig, clock, try await rig.node(traffic: traffic).refreshing, recorder)
        }
    }

    private func calls(_ rig: RefreshRig) async throws -> [CallRow] {
        try await rig.database.read("calls") { try $0.calls(CallFilter(), ListPage(limit: 100, ascending: true)) }
    }

    @Test("each is written down with its connection, and with nothing that is secret", arguments: TestEngine.all)
    func recorded(engine: TestEngine) async throws {
        try await with(engine) { rig, clock, refreshing, recorder in
            rig.platform.fail(.answer(400, #"{"error":"invalid_grant"}"#), .answer(400, #"{"error":"act.1 it was"}"#))
            for version in [1, 1, 1] {
                _ = try await refreshing.renew(rig.connection, from: Int64(version), .byHand, patience: .zero)
                clock.advance(.milliseconds(5))
            }
            await recorder.drain()

            let calls = try await calls(rig)
            #expect(calls.map(\.outcome) == ["unauthorized", "refused", "ok"])
            #expect(calls.map(\.code) == ["invalid_grant", nil, nil])
            #expect(
                calls.allSatisfy {
                    $0.purpose == "token" && $0.host == "sample.example" && $0.path == "/token" && $0.method == "POST"
                        && $0.connection == rig.connection.text && $0.userID == nil
                })
        }
    }

    @Test("a platform that is down meets no crowd of them; the connections stay", arguments: TestEngine.all)
    func circuit(engine: TestEngine) async throws {
        try await with(engine) { rig, clock, refreshing, _ in
            var asked = 0
            for _ in 0..<60 {
                rig.platform.fail(.status(503))
                _ = try await refreshing.renew(rig.connection, from: 1, .byHand, patience: .zero)
                asked += 1
                clock.advance(.seconds(1))
            }
            #expect(rig.platform.refreshes < asked / 2, "\(rig.platform.refreshes) of \(asked)")
            #expect(try await rig.row().state == .active)
        }
    }
}
