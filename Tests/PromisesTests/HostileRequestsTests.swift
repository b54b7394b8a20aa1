import Foundation
import Kit
import TestSupport
import Testing

@Suite("Requests that nobody should send", .serialized)
struct HostileRequestsTests {
    @Test("each has an answer of its own, and none is believed")
    func answers() async throws {
        try await withServer { server in
            let headers = [("Content-Type", "application/json")]
            #expect(try await server.post("/webhooks/nobody", headers: headers, body: [1]).status == 404)
            #expect(try await server.post("/webhooks/standard-webhooks", headers: headers, body: [1]).status == 404)
            #expect(try await server.post("/webhooks/stripe/app_unknown", headers: headers, body: [1]).status == 404)
            #expect(try await server.get("/webhooks/stripe").status == 405)
            let packed = try await server.post(
                "/webhooks/stripe", headers: [("Content-Encoding", "gzip")], body: [1, 2])
            #expect(packed.status == 415)
            #expect(try await server.post("/webhooks/stripe", headers: headers, body: [1]).status == 401)
            #expect(try await server.deliver(bytes: [1, 2, 3], secret: "whsec_somebody_elses_secret") == 401)
            let twice = [("Stripe-Signature", "t=1,v1=aa"), ("Stripe-Signature", "t=1,v1=aa")]
            #expect(try await server.post("/webhooks/stripe", headers: twice, body: [1]).status == 401)
            #expect(try await server.deliver(bytes: Array("not json".utf8)) == 200)
        }
    }

    @Test("R18 a gibibyte is refused by its length before it is read")
    func declaredTooLarge() async throws {
        try await withServer { server in
            let socket = try RawSocket(port: server.port)

            socket.send("POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")

            #expect(socket.receive().hasPrefix("HTTP/1.1 413"))
        }
    }

    @Test("R18 an endless body is refused after its bound; memory stays")
    func endless() async throws {
        try await withServer { server in
            let before = server.residentBytes
            let chunk = "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n"
            for _ in 0..<8 {
                let socket = try RawSocket(port: server.port)
                socket.send("POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                var sent = 0
                while sent < 64 << 20, !socket.hasAnswer {
                    let count = socket.send(chunk)
                    guard count > 0 else { break }
                    sent += count
                }
                #expect(sent < 16 << 20)
                #expect(socket.receive().hasPrefix("HTTP/1.1 413"))
            }
            #expect(server.residentBytes - before < 32 << 20)
            #expect(try await server.deliver("evt_after") == 200)
        }
    }

    @Test("R18 a thousand slow connections do not stop the others")
    func slow() async throws {
        try await withServer { server in
            var slow: [RawSocket] = []
            for number in 0..<1000 {
                let socket = try RawSocket(port: server.port)
                socket.send(
                    number % 2 == 0
                        ? "POST /webhooks/str" : "POST /webhooks/stripe HTTP/1.1\r\nContent-Length: 500\r\n\r\n{")
                slow.append(socket)
            }

            for number in 0..<50 { #expect(try await server.deliver("evt_\(number)") == 200) }
            #expect(slow.count == 1000)
        }
    }

    @Test("R18 many slow senders of large bodies: they are told to come again, memory stays, others are served")
    func slowAndLarge() async throws {
        try await withServer { server in
            let before = server.residentBytes
            // All but the last byte of the most that one may send.
            let request = "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n"
            let part = Array(request.utf8) + [UInt8](repeating: 120, count: (1 << 20) - 1)
            var senders: [RawSocket] = []
            for _ in 0..<160 {
                let socket = try RawSocket(port: server.port)
                socket.send(part)
                senders.append(socket)
            }

            // 64 MiB hold sixty-five of them.
            let isFull = try await eventually { senders.count(where: \.hasAnswer) >= 90 }
            #expect(isFull, "\(senders.count(where: \.hasAnswer)) are answered")
            for sender in senders where sender.hasAnswer {
                let answer = sender.receive()
                #expect(answer.hasPrefix("HTTP/1.1 503") && answer.lowercased().contains("retry-after: 5"))
            }
            #expect(server.residentBytes - before < 140 << 20)
            #expect(try await server.deliver("evt_during") == 200)

            senders = []
            let large = Array(#"{"id":"evt_large","object":"event","type":"price.created","created":1,"note":""#.utf8)
            let rest = [UInt8](repeating: 120, count: 900_000) + Array("\"}".utf8)
            #expect(try await eventually { try await server.deliver(bytes: large + rest) == 200 })
        }
    }

    @Test("R18 more connections than it takes: they wait, and it serves when they have gone")
    func tooManyConnections() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let server = try ServerProcess(databaseURL: url)
            server.descriptorsMax = 400
            try await server.start()
            var waiting = try (0..<300).map { _ in try RawSocket(port: server.port) }
            for socket in waiting { socket.send("POST /webhooks/str") }

            #expect(try await eventually { server.openDescriptors > 140 })
            #expect(server.openDescriptors < 256, "some are left for all else")
            waiting = []

            #expect(try await server.deliver("evt_after") == 200)
            #expect(server.stop() == 0)
        }
    }

    @Test("R18 who sends forgeries is told 429 and when to come; others are not, nor what the same address proves")
    func forgers() async throws {
        try await withServer(["PATCHBAY_TRUSTED_PROXIES": "127.0.0.0/8"]) { server in
            func send(_ secret: String, from address: String) async throws -> ServerProcess.Reply {
                let body = Array(#"{"id":"evt_1","object":"event","type":"price.created","created":1}"#.utf8)
                return try await server.deliver(
                    reply: body, secret: secret,
                    adding: [("X-Forwarded-For", address), ("X-Forwarded-Proto", "https")])
            }
            let (forger, other) = ("203.0.113.9", "203.0.113.10")
            var statuses: Set<Int> = []
            var last = try await send("whsec_somebody_elses_secret", from: forger)
            // Sixty, and one a second as long as they take to send.
            for _ in 0..<5000 where last.status != 429 {
                statuses.insert(last.status)
                last = try await send("whsec_somebody_elses_secret", from: forger)
            }

            #expect(statuses == [401] && last.status == 429)
            let wait = last.headers.first(where: { $0.0.lowercased() == "retry-after" })?.1
            #expect(wait == "1")
            #expect(try await send("whsec_somebody_elses_secret", from: other).status == 401)
            #expect(try await send(ServerProcess.secret, from: forger).status == 200)
        }
    }

    @Test("R18 limits for a hundred thousand senders fit into 32 MiB, whoever else comes")
    func forgersMemory() throws {
        let run = try CommandLineRun(["bench", "senders"])

        let result = try JSON.parse(Array(run.output.utf8))
        #expect(run.status == 0 && result["remembered"]?.integer == 100_000)
        let bytes = try #require(result["bytes"]?.integer)
        #expect(bytes > 0 && bytes <= 32 << 20, "\(bytes)")
    }

    @Test("a head without end is cut off")
    func longHead() async throws {
        try await withServer { server in
            let socket = try RawSocket(port: server.port)
            socket.send("GET /livez HTTP/1.1\r\n")
            var sent = 0
            while sent < 8 << 20, !socket.hasAnswer {
                let count = socket.send("X-Padding-\(sent): " + String(repeating: "y", count: 8000) + "\r\n")
                guard count > 0 else { break }
                sent += count
            }

            #expect(sent < 8 << 20)
            #expect(try await server.get("/livez").status == 200)
        }
    }

    private func withServer(
        _ settings: [String: String] = [:], _ body: (ServerProcess) async throws -> Void
    ) async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let server = try ServerProcess(databaseURL: url, environment: settings)
            try await server.start()
            try await body(server)
            #expect(server.isRunning)
            #expect(server.stop() == 0)
        }
    }
}

extension ServerProcess {
    /// Memory in use, as the system says.
    var residentBytes: Int {
        let fields = (try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
    }
}
