import Kit
import TestSupport
import Testing

@testable import Engine
@testable import Store

@Suite("Sync that fails")
struct SyncFailureTests {
    private func with(_ engine: TestEngine, _ body: @Sendable (SyncRig) async throws -> Void) async throws {
        try await TestDatabase.with(engine) { try await body(SyncRig($0)) }
    }

    private func page(_ ids: [String], cursor: String?, more: Bool) -> (status: Int, body: String) {
        let videos = ids.map { #"{"id":"\#($0)","create_time":1795850000}"# }.joined(separator: ",")
        let cursor = cursor.map { #""cursor":\#($0),"# } ?? ""
        return (200, #"{"data":{"videos":[\#(videos)],\#(cursor)"has_more":\#(more)},"error":{"code":"ok"}}"#)
    }

    @Test("a cursor that comes a second time, or none where more was promised, ends the run", arguments: TestEngine.all)
    func loop(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(25) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            let (bookmark, all) = (try await rig.state().bookmark, try await rig.kept())
            for pages in [
                [
                    page(["a"], cursor: "5", more: true), page(["b"], cursor: "4", more: true),
                    page(["c"], cursor: "5", more: true),
                ],
                [page(["a"], cursor: nil, more: true)],
            ] {
                rig.wire.edit { $0.instead = pages }
                rig.clock.advance(.hours(1))

                let run = try await rig.run(connection, "videos", .full)

                #expect(run.state == .failed && run.code == "pagination_loop" && run.who == "provider")
                #expect(try await rig.state().bookmark == bookmark)
                #expect(try await rig.number("SELECT count(*) FROM tiktok_videos WHERE deleted_at IS NOT NULL") == 0)
                #expect(try await rig.kept().filter(all.contains) == all)
            }
            #expect(try await rig.texts("SELECT kind FROM alerts WHERE state = 'open'") == ["sync_failed"])
            #expect(try await rig.told().last == "sync.failed")
            rig.clock.advance(.hours(1))
            try await rig.run(connection)
            #expect(try await rig.texts("SELECT state FROM alerts") == ["resolved"])
        }
    }

    @Test("an answer without a list is no empty list: nothing counts as deleted", arguments: TestEngine.all)
    func noList(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(5) }
            let connection = try await rig.connect()
            try await rig.run(connection)
            let all = try await rig.kept()
            // As often as it is asked: of the list, and of what the list did not show.
            rig.wire.edit { state in
                state.instead = (0..<20).map { _ in (200, #"{"data":{},"error":{"code":"ok"}}"#) }
            }
            rig.clock.advance(.days(2))

            let run = try await rig.run(connection, "videos", .full)

            #expect(run.state == .failed && run.code == "garbled" && run.rowsDeleted == 0)
            #expect(try await rig.kept() == all)
        }
    }

    @Test("empty pages go on, a hundred in a row at most", arguments: TestEngine.all)
    func empty(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let connection = try await rig.connect()
            rig.wire.edit { state in
                state.instead =
                    (1...100).map { page([], cursor: String(1000 - $0), more: true) }
                    + [page(["v1"], cursor: "1", more: false)]
            }
            let run = try await rig.run(connection)
            #expect(run.state == .succeeded && run.pages == 101)
            #expect(try await rig.kept() == ["v1"])

            rig.wire.edit { state in
                state.instead = (1...101).map { page([], cursor: String(1000 - $0), more: true) }
            }
            rig.clock.advance(.hours(1))
            let other = try await rig.run(connection)
            #expect(other.state == .failed && other.code == "empty_pages")
        }
    }

    @Test("a platform that is away is asked again; the run goes on where it stood", arguments: TestEngine.all)
    func away(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { state in
                state.videos = Shelf.videos(60)
                state.before = { state, question in
                    // The second page fails whatever is tried at once.
                    guard question == "list 1795848860000", state.asked.count(where: { $0 == question }) <= 4 else {
                        return
                    }
                    state.instead = [(502, "<html>Bad Gateway</html>")]
                }
            }
            let connection = try await rig.connect()

            let run = try await rig.run(connection)

            #expect(run.state == .succeeded && run.rowsNew == 60 && run.pages == 3)
            #expect(rig.wire.asked.count(where: { $0 == "list" }) == 1)
        }
    }

    @Test("a token that is refused is renewed once; refused again, its owner must act", arguments: TestEngine.all)
    func refused(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let dead = (status: 401, body: #"{"data":{},"error":{"code":"access_token_invalid","log_id":"l"}}"#)
            rig.wire.edit { $0.instead = [dead] }
            let connection = try await rig.connect()
            let run = try await rig.run(connection)
            #expect(run.state == .succeeded && rig.wire.tokens == ["Bearer act.1", "Bearer act.2"])

            rig.wire.edit { $0.instead = [dead, dead] }
            rig.clock.advance(.hours(1))
            let other = try await rig.run(connection)
            #expect(other.state == .failed && other.code == "unauthorized" && other.who == "your_user")
            #expect(other.problem == "TikTok no longer accepts this connection. Connect the account again.")
        }
    }

    @Test("an error that comes with status 200 is one; what cannot be read is asked again", arguments: TestEngine.all)
    func envelope(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let connection = try await rig.connect()
            rig.wire.edit { state in
                state.instead = [
                    (200, #"{"data":{},"error":{"code":"internal_error"}}"#), (200, #"{"data":{"videos":[{"id":"#),
                ]
            }
            let run = try await rig.run(connection)
            #expect(run.state == .succeeded && run.rowsNew == 3)

            rig.wire.edit { state in
                state.instead = [(200, #"{"data":{},"error":{"code":"scope_not_authorized"}}"#)]
            }
            rig.clock.advance(.hours(1))
            let other = try await rig.run(connection)
            #expect(other.state == .failed && other.code == "forbidden" && other.who == "your_user")
        }
    }

    @Test("a limit that is reached holds the lane back: no attempt, no failure", arguments: TestEngine.all)
    func limit(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { state in
                state.videos = Shelf.videos(700)
                state.perPage = 1
            }
            let connection = try await rig.connect()

            let run = try await rig.run(connection)

            #expect(run.state == .succeeded && run.rowsNew == 700)
            // 600 a minute, less the part that is kept for what is urgent.
            #expect(rig.clock.now - .testNow >= .seconds(60))
            #expect(try await rig.number("SELECT max(attempts) FROM jobs_done") <= 2)
        }
    }

    @Test("one connection that fails stops no other", arguments: TestEngine.all)
    func others(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            rig.wire.edit { $0.videos = Shelf.videos(3) }
            let bad = try await rig.connect("user-1", account: "open-0")
            let good = try await rig.connect("user-1", account: "open-1")
            rig.wire.edit { $0.instead = [(400, #"{"error":{"code":"invalid_params"}}"#)] }
            let first = try await rig.begin(bad)
            let second = try await rig.begin(good)

            try await rig.work()

            #expect(try await rig.sync(first).state == .failed)
            #expect(try await rig.sync(second).state == .succeeded)
        }
    }

    @Test("a connection that goes away in the middle keeps nothing of the answer that comes", arguments: TestEngine.all)
    func gone(_ engine: TestEngine) async throws {
        try await with(engine) { rig in
            let connection = try await rig.connect()
            let begun = try await rig.begin(connection)
            let (database, now) = (rig.database, rig.clock.now)
            let wire = Interrupted(rig.wire) {
                try await database.write("forget") { try $0.forgetAccount(of: connection.id, reason: "x", at: now) }
            }
            rig.wire.edit { $0.videos = Shelf.videos(3) }

            try await rig.work(rig.workers(wire: wire))

            #expect(try await rig.sync(begun).state == .cancelled)
            #expect(try await rig.kept().isEmpty)
        }
    }
}

/// Something happens while an answer is on its way.
private struct Interrupted: Wire {
    let inner: any Wire
    let act: @Sendable () async throws -> Void

    init(_ inner: any Wire, _ act: @escaping @Sendable () async throws -> Void) {
        self.inner = inner
        self.act = act
    }
    func send(_ request: WireRequest, within deadline: Duration) async throws -> Answer {
        let answer = try await inner.send(request, within: deadline)
        try await act()
        return answer
    }
}
