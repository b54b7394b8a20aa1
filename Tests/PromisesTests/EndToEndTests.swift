import Foundation
import Kit
import Server
import Synchronization
import TestSupport
import Testing

@Suite("A signed event in, a user's status set, a signed webhook out", .serialized)
struct EndToEndTests {
    @Test("the whole way, in any order, with repetitions, through a crash", arguments: TestEngine.all)
    func wholeWay(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let receiver = Receiver(port: try freePort())
            let listening = Task { try await receiver.run() }
            defer { listening.cancel() }
            let server = try ServerProcess(
                databaseURL: url, environment: ["PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8"])
            let key = try server.makeKey()
            try await server.start()
            try receiver.trust(try await server.addEndpoint(receiver.url, types: ["user.*"], key: key))
            let heard = Heard(receiver)

            var lives = (0..<6).flatMap { Life(number: $0).events.shuffled() }
            lives += lives.filter { _ in Bool.random() }
            for (number, event) in lives.enumerated() {
                if number == lives.count / 2 {
                    server.crash()
                    try await server.start()
                }
                #expect(try await server.deliver(bytes: event) == 200)
            }

            for number in 0..<6 {
                let user = "u_\(number)"
                let isActive = try await eventually {
                    try await server.json("/v1/users/\(user)", key: key)["subscription_status"]?.text == "active"
                }
                #expect(isActive, "\(user)")
                #expect(try await eventually { heard.last(of: user) == "active" }, "\(user) was told")
            }
            #expect(heard.isAllProven)
            let events = try await server.json("/v1/events?limit=100", key: key)["data"]?.elements ?? []
            #expect(events.count == 24)
            #expect(events.allSatisfy { $0["state"]?.text == "applied" })
            #expect(server.stop() == 0)
        }
    }
}

/// What the application heard of each user, last.
private final class Heard: Sendable {
    private let state = Mutex<(last: [String: (version: Int64, status: String)], unproven: Int)>(([:], 0))

    init(_ receiver: Receiver) {
        Task {
            for await received in receiver.received { self.note(received) }
        }
    }
    private func note(_ received: Receiver.Received) {
        guard let data = received.body["data"], let user = data["user_id"]?.text else { return }
        let version = data["version"]?.integer ?? 0
        state.withLock { state in
            if !received.isProven { state.unproven += 1 }
            // Order is not promised to this endpoint: the version tells which is newer.
            guard version > state.last[user]?.version ?? -1 else { return }
            state.last[user] = (version, data["status"]?.text ?? "")
        }
    }
    func last(of user: String) -> String? { state.withLock { $0.last[user]?.status } }
    var isAllProven: Bool { state.withLock { $0.unproven == 0 } }
}

/// Four events of a subscription that begins, in today's shapes.
private struct Life {
    let events: [[UInt8]]

    init(number: Int) {
        let now = Int(Date().timeIntervalSince1970)
        func event(_ step: Int, _ type: String, _ object: String, _ previous: String = "") -> [UInt8] {
            Array(
                #"""
                {"id":"evt_\#(number)_\#(step)","object":"event","created":\#(now + step),"livemode":false,\#
                "type":"\#(type)","data":{"object":\#(object)\#(previous)}}
                """#
                .utf8)
        }
        func subscription(_ status: String) -> String {
            #"""
            {"id":"sub_\#(number)","object":"subscription","customer":"cus_\#(number)","status":"\#(status)",
            "cancel_at_period_end":false,"metadata":{"patchbay_user":"u_\#(number)"},"items":{"object":"list","data":[
            {"id":"si_\#(number)","current_period_end":\#(now + 2_592_000),"price":{"id":"price_1","object":"price"}}]}}
            """#
        }
        events = [
            event(0, "customer.subscription.created", subscription("incomplete")),
            event(
                1, "payment_method.attached",
                #"{"id":"pm_\#(number)","object":"payment_method","customer":"cus_\#(number)","type":"card"}"#),
            event(
                2, "invoice.paid",
                #"""
                {"id":"in_\#(number)","object":"invoice","customer":"cus_\#(number)","status":"paid","parent":
                {"subscription_details":{"subscription":"sub_\#(number)"}},\#
                "lines":{"data":[{"period":{"end":\#(now + 2_592_000)}}]}}
                """#),
            event(
                3, "customer.subscription.updated", subscription("active"),
                #","previous_attributes":{"status":"incomplete"}"#),
        ]
    }
}

/// Asks again until it is so, for at most two minutes: the bound says only that it hangs.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<2400 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(50))
    }
    return false
}
