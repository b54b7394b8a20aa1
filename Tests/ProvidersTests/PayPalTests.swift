import Certificates
import Crypto
import CryptoExtras
import Foundation
import Kit
import PayPal
import Testing

@Suite("PayPal's webhooks")
struct PayPalTests {
    private static let file = try? JSON.parse(Vectors.bytes("paypal/webhook-signatures.json"))
    private static let verify = Verify(
        PayPal.verifying { roots throws(BadKey) in try CertificateChain(roots: roots) })

    private static func pem(_ json: JSON?) -> JSON {
        guard let path = json?.text, let bytes = try? Vectors.bytes("paypal/\(path)") else { return .null }
        return .string(String(decoding: bytes, as: UTF8.self))
    }

    private static let secret: JSON = [
        "webhook_id": file?["webhook_id"] ?? .null,
        "certificates": .object(
            (file?["certificates"]?.members ?? []).map { JSONMember($0.name, pem($0.value)) }),
        "intermediates": .array((file?["intermediates"]?.elements ?? []).map(pem)),
        "roots": [pem(file?["trusted_root"])],
    ]

    private static func line(_ headers: JSON, _ body: [UInt8], now: JSON? = nil) -> JSON {
        [
            "scheme": "paypal", "secret": secret, "url": "https://pb.example/webhooks/paypal", "headers": headers,
            "body_base64": .string(String(decoding: Base64.encode(body), as: UTF8.self)),
            "now": now ?? file?["now"] ?? .null,
        ]
    }

    private static func verdict(_ line: JSON) async throws -> JSON {
        try JSON.parse(await verify.verdict(on: line.bytes))
    }

    @Test("the published cases come out as published", arguments: file?["cases"]?.elements ?? [])
    func vectors(_ vector: JSON) async throws {
        let body = Array((vector["body"]?.text ?? "").utf8)
        if vector["expect"] == "accept" {
            #expect(vector["crc32"]?.numberText == "\(CRC32.of(body))")
        }
        let verdict = try await Self.verdict(Self.line(vector["headers"] ?? .null, body))
        #expect(verdict["verdict"] == vector["expect"], "\(vector["name"]?.text ?? ""): \(verdict)")
    }

    @Test("all of them are there") func present() { #expect(Self.file?["cases"]?.elements?.count == 11) }

    private static func good() throws -> (headers: [Field], body: [UInt8]) {
        let vector = try #require(file?["cases"]?.elements?.first)
        let headers = (vector["headers"]?.elements ?? []).map {
            Field($0.elements?.first?.text ?? "", $0.elements?.last?.text ?? "")
        }
        return (headers, Array((vector["body"]?.text ?? "").utf8))
    }

    private static func json(_ headers: [Field]) -> JSON {
        .array(headers.map { [.string($0.name), .string($0.value)] })
    }

    @Test("one changed bit of a header or of the body ends it")
    func bits() async throws {
        let (headers, body) = try Self.good()
        for place in stride(from: 0, to: body.count, by: 7) {
            var changed = body
            changed[place] ^= 1
            #expect(try await Self.verdict(Self.line(Self.json(headers), changed))["verdict"] == "reject")
        }
        for (index, field) in headers.enumerated() {
            let bytes = Array(field.value.utf8)
            for place in stride(from: 0, to: bytes.count, by: bytes.count > 100 ? 11 : 1) {
                var changed = bytes
                changed[place] ^= 2
                var others = headers
                others[index] = Field(field.name, String(decoding: changed, as: UTF8.self))
                let verdict = try await Self.verdict(Self.line(Self.json(others), body))
                #expect(verdict["verdict"] == "reject", "\(field.name) \(place)")
            }
            let without = headers.filter { $0.name != field.name }
            #expect(try await Self.verdict(Self.line(Self.json(without), body))["verdict"] == "reject")
            #expect(try await Self.verdict(Self.line(Self.json(headers + [field]), body))["verdict"] == "reject")
        }
    }

    @Test("three days and no more")
    func age() async throws {
        let (headers, body) = try Self.good()
        let now = try #require(Self.file?["now"]?.integer)
        for (age, verdict) in [(3 * 86_400, "accept"), (4 * 86_400, "reject"), (-7200, "reject")] as [(Int64, JSON)] {
            let line = Self.line(Self.json(headers), body, now: JSON(now + age))
            #expect(try await Self.verdict(line)["verdict"] == verdict, "\(age)")
        }
    }

    @Test(
        "no other address is even asked for",
        arguments: [
            "http://api.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com.evil.example/v1/notifications/certs/a",
            "https://api.paypal.com@evil.example/v1/notifications/certs/a",
            "https://api.paypal.com:444/v1/notifications/certs/a",
            "https://api.paypal.com/v1/notifications/certs/../../x",
            "https://api.paypal.com/v1/notifications/certs/a?b",
            "https://api.paypal.com/v1/notifications/certs/", "https://evil.example/v1/notifications/certs/a",
            "https://api.paypal.com/v1/notifications/certs/%2e%2e",
        ])
    func addresses(_ url: String) throws {
        var (headers, body) = try Self.good()
        headers = headers.map { $0.name == "PAYPAL-CERT-URL" ? Field($0.name, url) : $0 }
        guard case .remote(let proof) = PayPal().webhooks.verification else {
            Issue.record("it is proven by a key that stands elsewhere")
            return
        }
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        let ids = try PayPal().webhooks.secrets(in: "1JE4291016473214C")
        #expect(throws: Forged.self) { try proof.need(delivery, ids) }
    }

    @Test("sandbox and live do not believe each other")
    func environments() throws {
        let (headers, body) = try Self.good()
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        for (mode, isGood) in [("live", true), ("sandbox", false)] {
            let settings = OperatorSettings { ["PAYPAL_WEBHOOK_ID": "1JE4291016473214C", "PAYPAL_MODE": mode][$0] }
            let route = try #require(try PayPal.routes(settings).first)
            guard case .remote(let proof) = route.scheme.verification else {
                Issue.record("it is proven by a key that stands elsewhere")
                return
            }
            #expect(((try? proof.need(delivery, route.secrets)) != nil) == isGood)
            #expect(try route.scheme.events(delivery).allSatisfy { $0.isTest == !isGood })
        }
    }

    @Test("an app that is added later is held to the server's environment, too")
    func environmentOfApps() throws {
        let route = try #require(
            try PayPal.routes(OperatorSettings { ["PATCHBAY_MODE": "live"][$0] }).first, "without an id of its own")
        #expect(!route.isOn)
        let (headers, body) = try Self.good()
        let sandbox = headers.map {
            $0.name == "PAYPAL-CERT-URL"
                ? Field($0.name, "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1") : $0
        }
        let ids = try PayPal().webhooks.secrets(in: "1JE4291016473214C")
        guard case .remote(let proof) = route.scheme.verification else {
            Issue.record("it is proven by a key that stands elsewhere")
            return
        }
        func asks(_ headers: [Field]) -> Bool {
            let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
            return (try? proof.need(delivery, ids)) != nil
        }
        #expect(asks(headers) && !asks(sandbox))
    }

    @Test("a slash at the end of PAYPAL_BASE_URL is none of the certificate's address")
    func base() throws {
        let settings = OperatorSettings {
            ["PAYPAL_WEBHOOK_ID": "1JE4291016473214C", "PAYPAL_BASE_URL": "http://127.0.0.1:4010/"][$0]
        }
        let route = try #require(try PayPal.routes(settings).first)
        let (headers, body) = try Self.good()
        let simulated = headers.map {
            $0.name == "PAYPAL-CERT-URL" ? Field($0.name, "http://127.0.0.1:4010/v1/notifications/certs/CERT-1") : $0
        }
        guard case .remote(let proof) = route.scheme.verification else {
            Issue.record("it is proven by a key that stands elsewhere")
            return
        }
        let delivery = Delivery(method: "POST", target: "/", headers: simulated, body: body, receivedAt: .zero)
        #expect(try proof.need(delivery, route.secrets).url.hasSuffix("CERT-1"))
    }

    @Test("by its word: asked at the host of its mode, as the app of its mode, and only where the setting says so")
    func asking() throws {
        let app = [
            "PAYPAL_CLIENT_ID": "a", "PAYPAL_CLIENT_SECRET": "s", "PAYPAL_SANDBOX_CLIENT_ID": "b",
            "PAYPAL_SANDBOX_CLIENT_SECRET": "t", "PAYPAL_WEBHOOK_ID": "1JE4291016473214C",
        ]
        func proof(_ settings: [String: String]) throws -> AskedProof? {
            let route = try #require(try PayPal.routes(OperatorSettings { settings[$0] ?? app[$0] }).first)
            guard case .asked(let proof) = route.scheme.verification else { return nil }
            return proof
        }
        #expect(try proof([:]) == nil && proof(["PAYPAL_VERIFICATION": "certificate"]) == nil)
        let live = try #require(try proof(["PAYPAL_VERIFICATION": "api", "PAYPAL_MODE": "live"]))
        #expect(
            live.address == "https://api-m.paypal.com" && live.client == ClientCredentials(id: "a", secret: Secret("s"))
        )
        let sandbox = try #require(try proof(["PAYPAL_VERIFICATION": "api", "PAYPAL_MODE": "sandbox"]))
        #expect(sandbox.address == "https://api-m.sandbox.paypal.com" && sandbox.client?.id == "b")
        let simulated = ["PAYPAL_VERIFICATION": "api", "PAYPAL_BASE_URL": "http://127.0.0.1:4010/"]
        #expect(try proof(simulated)?.address == "http://127.0.0.1:4010")
        for missing in ["PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET"] {
            let settings = app.filter { $0.key != missing }.merging(["PAYPAL_VERIFICATION": "api"]) { $1 }
            #expect(throws: BadValue(missing, "is not set: PAYPAL_VERIFICATION=api asks as this app.")) {
                try PayPal.routes(OperatorSettings { settings[$0] })
            }
        }
    }

    @Test("by its word: several ids are asked for in turn, and the line of verify says what is answered")
    func word() async throws {
        let (headers, body) = try Self.good()
        for (status, verdict) in [("SUCCESS", "accept"), ("FAILURE", "reject"), ("?", "reject")] as [(JSON, JSON)] {
            var line = Self.line(Self.json(headers), body).members ?? []
            line = line.filter { !["scheme", "secret"].contains($0.name) }
            line.append(.init("scheme", "paypal-api"))
            line.append(.init("secret", ["webhook_id": "1JE4291016473214C", "verification_status": status]))
            #expect(try await Self.verdict(.object(line))["verdict"] == verdict)
        }
        let settings = [
            "PAYPAL_WEBHOOK_ID": "ONE,TWO", "PAYPAL_VERIFICATION": "api", "PAYPAL_CLIENT_ID": "a",
            "PAYPAL_CLIENT_SECRET": "s",
        ]
        let route = try #require(try PayPal.routes(OperatorSettings { settings[$0] }).first)
        guard case .asked(let proof) = route.scheme.verification else {
            Issue.record("it is proven by its word")
            return
        }
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        let calls = try proof.question(delivery, route.secrets).calls
        #expect(try calls.map { try JSON.parse($0.outgoing.body)["webhook_id"]?.text } == ["ONE", "TWO"])
    }

    @Test("an event is named by its own id, and belongs to its order")
    func events() throws {
        let (headers, body) = try Self.good()
        let delivery = Delivery(method: "POST", target: "/", headers: headers, body: body, receivedAt: .zero)
        let event = try #require(try PayPal().webhooks.events(delivery).first)
        #expect(event.providerEventID == "WH-2WR32451HC0233532-67976317FL4543714")
        #expect(event.type == "PAYMENT.CAPTURE.COMPLETED")
        #expect(event.subject == "5O190127TN364715T")
        for body in ["{}", "[]", "", #"{"id":"a"}"#] {
            #expect(throws: Unreadable.self) {
                try PayPal().webhooks.events(delivery.with(body: Array(body.utf8)))
            }
        }
    }
}
