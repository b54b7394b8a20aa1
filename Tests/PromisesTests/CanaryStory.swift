import Foundation
import Kit

/// Feeds a server with marked data and provokes its errors, twice: with a text log and with a JSON log.
struct CanaryStory {
    struct Told {
        var canaries: Canaries
        /// Answers in which nothing marked belongs.
        var answers: [Data]
        var endpoint = ""
        var event = ""
    }

    let server: ServerProcess
    let platform: Responder
    let canaries: Canaries
    private var authorized: [(String, String)] {
        [("Authorization", "Bearer \(canaries.key)"), ("Content-Type", "application/json")]
    }

    init(server: ServerProcess, platform: Responder, canaries: Canaries) {
        (self.server, self.platform, self.canaries) = (server, platform, canaries)
    }

    func run() async throws -> Told {
        var told = Told(canaries: canaries, answers: [])
        try await makeThings(&told)
        for round in 0..<2 {
            try await deliver(round, &told)
            try await misuse(&told)
            try await look(&told)
            guard round == 0 else { break }
            guard server.stop() == 0 else { throw ServerDied(log: server.logText) }
            server.environment["PATCHBAY_LOG"] = "json,debug"
            try await server.start()
        }
        return told
    }

    /// What is told once: their secrets are marked from then on.
    private func makeThings(_ told: inout Told) async throws {
        let secret = try await server.addEndpoint(
            "http://127.0.0.1:\(platform.port)/hook", types: [], key: canaries.key)
        told.canaries.add(secret: secret.reveal { String(decoding: $0, as: UTF8.self) })
        let wish = #"{"name":"second","scopes":["read"]}"#
        let headers = authorized + [("Idempotency-Key", "second-key")]
        let made = try await server.post("/v1/keys", headers: headers, body: Array(wish.utf8))
        guard let key = try JSON.parse(made.body)["key"]?.text else {
            throw ServerDied(log: "keys: \(String(decoding: made.body, as: UTF8.self))")
        }
        told.canaries.add(secret: key)
        // Its secret was shown once and is not kept.
        told.answers.append(Data(try await server.post("/v1/keys", headers: headers, body: Array(wish.utf8)).body))
        told.endpoint =
            try await server.json("/v1/endpoints", key: canaries.key)["data"]?.elements?.first?["id"]?.text ?? ""
        let user = #"""
            {"email":"canary.user@mail.example","display_name":"Userine Canarsky","stripe_customer_id":"cus_known",
             "metadata":{"note":"canary of metadata"}}
            """#
        let reply = try await server.put("/v1/users/u_known", headers: authorized, body: Array(user.utf8))
        guard reply.status == 200 || reply.status == 201 else {
            throw ServerDied(log: "users: \(String(decoding: reply.body, as: UTF8.self))")
        }
    }

    private func deliver(_ round: Int, _ told: inout Told) async throws {
        let now = Int(Date().timeIntervalSince1970)
        for body in Self.bodies(round, at: now) {
            let status = try await server.deliver(bytes: Array(body.utf8), secret: "whsec_canaryStripe0123456789")
            guard status == 200 else { throw ServerDied(log: "answered \(status)") }
        }
        // Somebody sends what belongs to the API, or to a browser, along with a webhook.
        let extra = [("Authorization", "Bearer \(canaries.key)"), ("Cookie", "session=canaryCookie5512")]
        for secret in ["whsec_canaryStripeOld987654321", "whsec_of_a_forger_00000"] {
            let body =
                #"{"id":"evt_\#(round)_7","object":"event","created":\#(now),"type":"x.y","note":"canary of a forger"}"#
            let reply = try await server.deliver(reply: Array(body.utf8), secret: secret, adding: extra)
            told.answers.append(Data(reply.body))
        }
        // Until jobs have failed, Stripe was asked in vain and the endpoint has refused.
        for _ in 0..<1200 {
            let attempts = try await server.json("/v1/endpoints/\(told.endpoint)/attempts", key: canaries.key)
            let jobs = try await server.json("/v1/events?state=queued", key: canaries.key)["data"]?.elements ?? []
            if attempts["data"]?.elements?.isEmpty == false, jobs.count <= 2 { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        told.event = try await server.json("/v1/events", key: canaries.key)["data"]?.elements?.last?["id"]?.text ?? ""
    }

    /// What a platform sends: good, contradictory, of no shape that anyone knows.
    private static func bodies(_ round: Int, at now: Int) -> [String] {
        let person = #"""
            "receipt_email":"canary.payer@mail.example","description":"the canary sings at dawn","billing_details":
            {"name":"Canaria Quillfeather","email":"canary.payer@mail.example","phone":"+49 30 5550147",
            "address":{"line1":"Canary Row 11"}},"number":"4242424242424242"
            """#
        func event(_ step: Int, _ type: String, _ object: String) -> String {
            #"""
            {"id":"evt_\#(round)_\#(step)","object":"event","created":\#(now),"livemode":false,"type":"\#(type)",
            "data":{"object":{\#(object),\#(person)}}}
            """#
        }
        let intent = #""object":"payment_intent","amount":100,"currency":"eur""#
        let subscription = #""id":"sub_1","object":"subscription","customer":"cus_known","items":{"data":[]}"#
        return [
            event(
                0, "payment_intent.succeeded", #""id":"pi_1","customer":"cus_known","status":"succeeded",\#(intent)"#),
            event(
                1, "payment_intent.payment_failed",
                #"""
                "id":"pi_2","customer":"cus_new","status":"requires_payment_method",\#(intent),"last_payment_error":
                {"code":"card_declined","message":"the canary sings at dawn",
                "payment_method":{"billing_details":{"name":"Canaria Quillfeather"}}}
                """#),
            // Two that contradict each other within a second: the platform is asked, in vain.
            event(2, "customer.subscription.updated", subscription + #","status":"active""#),
            event(3, "customer.subscription.updated", subscription + #","status":"past_due""#),
            // Of shapes that nobody documents.
            event(
                4, "customer.subscription.updated",
                #"""
                "id":{"email":"canary.payer@mail.example"},"customer":["canary.payer@mail.example"],"status":17
                """#),
            event(
                5, "charge.refunded",
                #"""
                "id":"ch_1","object":"charge","payment_intent":{"receipt_email":"canary.payer@mail.example"},
                "amount_refunded":"4242424242424242"
                """#),
            event(6, "customer.updated", #""id":"cus_known","object":"customer","name":"Canaria Quillfeather""#),
            #"{"id":17,"type":"canary of no use","object":"event"}"#, "canary of no use {",
        ]
    }

    /// Requests that are refused.
    private func misuse(_ told: inout Told) async throws {
        let long = String(repeating: "canary.user@mail.example", count: 40)
        let bodies: [(String, String)] = [
            ("/v1/users/u_1", #"{"email":"\#(long)"}"#), ("/v1/users/u_1", #"{"email":"canary.user@mail.example"#),
            ("/v1/users/u_1", #"{"email":["canary.user@mail.example"],"metadata":{"a":{"b":"canary of metadata"}}}"#),
            ("/v1/users/u_1", #"{"card_number":"4000056655665556"}"#),
            ("/v1/users/u_1", #"{"card":"4000056655665556","email":"canary.user@mail.example"}"#),
            ("/v1/users/u_1", #"{"email":"canary.user@mail.example","nobody":"canary of metadata"}"#),
        ]
        for (path, body) in bodies {
            told.answers.append(Data(try await server.put(path, headers: authorized, body: Array(body.utf8)).body))
        }
        let posts: [(String, String)] = [
            ("/v1/endpoints", #"{"url":"https://canary:canaryPassword47@app.example/hook"}"#),
            ("/v1/endpoints", #"{"url":"ftp://canaryPassword47.example/"}"#),
            ("/v1/endpoints", #"{"url":"https://10.0.0.1/?token=canaryPassword47"}"#),
            ("/v1/keys", #"{"name":"x","scopes":["canaryPassword47"]}"#), ("/v1/events/replay", #"{"filter":{}}"#),
            ("/v1/reviews/rev_0000/decision", #"{"decision":"canaryPassword47"}"#), ("/v1/nothing", "{}"),
        ]
        for (path, body) in posts {
            let reply = try await server.post(
                path, headers: authorized + [("Idempotency-Key", UUID().uuidString)], body: Array(body.utf8))
            guard reply.status >= 400 else { throw ServerDied(log: "\(path) \(body): \(reply.status)") }
            told.answers.append(Data(reply.body))
        }
        for key in ["pb_test_canaryOfNobody0000000000000000", "pb_live_canaryPassword47canaryPassword47", "x"] {
            for scheme in ["Bearer", "Basic", ""] {
                let reply = try await server.get("/v1/events", headers: [("Authorization", "\(scheme) \(key)")])
                told.answers.append(Data(reply.body))
            }
        }
    }

    /// Pages, and requests whose address alone is telling.
    private func look(_ told: inout Told) async throws {
        for path in [
            "/metrics", "/docs", "/openapi.json", "/livez", "/readyz", "/events/event.received.schema.json",
            "/v1/users?email=canary.user%40mail.example&key=\(canaries.key)", "/v1/events?api_key=\(canaries.key)",
            "/v1/trace/nothing?token=canaryPassword47", "/docs/canaryPassword47?key=\(canaries.key)",
        ] { told.answers.append(Data(try await server.get(path).body)) }
        for path in [
            "/v1/users?email=canary.nobody%40mail.example", "/v1/events?limit=canaryPassword47", "/v1/jobs",
            "/v1/audit",
            "/v1/alerts", "/v1/reviews", "/v1/deliveries?limit=100", "/v1/keys", "/v1/endpoints", "/v1/nodes",
            "/v1/events?cursor=canaryPassword47", "/v1/jobs/canaryPassword47",
        ] { told.answers.append(Data(try await server.get(path, headers: authorized).body)) }
    }
}
