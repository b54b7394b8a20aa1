import Engine
import Hummingbird
import Kit
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Server

@Suite("Live clients that take nothing")
struct StalledClientTests {
    @Test("one that stops reading is closed, and nothing piles up for it meanwhile")
    func stalled() async throws {
        try await TestAPI.with { api in
            let hub = ChangeHub(database: api.database, placed: Bell(), time: .system, logger: .quiet)
            let following = Task { try await hub.run() }
            defer { following.cancel() }
            try await api.keep(3)
            try await api.sequence()
            let (clock, line) = (TestSupport.TestClock(), Line(takes: 2))
            let stream = ChangeStream(
                changes: hub.subscribe(after: 0), time: clock.source.sleep, jitter: 0, hangUp: { line.cut() })

            let end = Task {
                var writer: any ResponseBodyWriter = line
                try await stream.write(to: &writer)
            }
            while !line.isStuck { try await Task.sleep(for: .milliseconds(2)) }
            while !line.isCut {
                clock.advance(by: .seconds(15))
                try await Task.sleep(for: .milliseconds(5))
            }

            await #expect(throws: LineIsCut.self) { try await end.value }
            #expect(line.taken == 2, "the greeting and one change")
        }
    }

    @Test("one that takes what comes is kept, and hears a sign of life")
    func quiet() async throws {
        try await TestAPI.with { api in
            let hub = ChangeHub(database: api.database, placed: Bell(), time: .system, logger: .quiet)
            let (clock, line) = (TestSupport.TestClock(), Line(takes: .max))
            let stream = ChangeStream(
                changes: hub.subscribe(after: 0), time: clock.source.sleep, jitter: 0, hangUp: { line.cut() })

            let end = Task {
                var writer: any ResponseBodyWriter = line
                try await stream.write(to: &writer)
            }
            while line.taken < 6 {
                // The clock goes on when what was due has been taken, or nobody slept when it went.
                let seen = line.taken
                clock.advance(by: .seconds(15))
                for _ in 0..<250 where line.taken == seen { try await Task.sleep(for: .milliseconds(2)) }
            }
            end.cancel()

            #expect(!line.isCut)
        }
    }
}

private struct LineIsCut: Error {}

/// A client's end: takes so many writes, then none until it is cut.
private final class Line: ResponseBodyWriter, Sendable {
    private struct State {
        var taken = 0
        var isCut = false
        var stuck: CheckedContinuation<Void, any Error>?
    }
    private let takes: Int
    private let state = Mutex(State())

    init(takes: Int) { self.takes = takes }

    var taken: Int { state.withLock { $0.taken } }
    var isStuck: Bool { state.withLock { $0.stuck != nil } }
    var isCut: Bool { state.withLock { $0.isCut } }

    func cut() {
        let stuck = state.withLock { state in
            state.isCut = true
            defer { state.stuck = nil }
            return state.stuck
        }
        stuck?.resume(throwing: LineIsCut())
    }

    func write(_ buffer: ByteBuffer) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let goesOn = state.withLock { state in
                guard state.taken < takes else {
                    state.stuck = continuation
                    return false
                }
                state.taken += 1
                return true
            }
            if goesOn { continuation.resume() }
        }
    }
    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
