import Kit
import TestSupport
import Testing

@testable import Store

@Suite("What grows old")
struct RetentionTests {
    @Test("calls to platforms go when their time is over, and no sooner", arguments: TestEngine.all)
    func calls(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let old = Identifiers(now: { .testNow }).make(CallKind.self)
            let young = Identifiers(now: { .testNow + .days(5) }).make(CallKind.self)
            var limits = RetentionLimits()
            limits.calls = .days(3)
            try await database.set("calls", in: .work) { session in
                try session.insert(
                    [(old, Timestamp.testNow), (young, .testNow + .days(5))].map { id, at in
                        CallRow(
                            id: id, provider: "stripe", purpose: "subscription", method: "GET", host: "h", path: "/",
                            at: at)
                    })
            }
            let expired = try await database.set("expire", in: .maintenance) { [limits] session in
                try session.expire(.calls, limits: limits, at: .testNow + .days(6), limit: 10)
            }
            let left = try await database.read("calls") { try $0.calls(CallFilter(), ListPage(limit: 10)) }
            #expect(expired == 1 && left.map(\.id) == [young])
        }
    }
}
