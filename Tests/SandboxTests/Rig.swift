import Glibc
import Kit
import Synchronization
import Testing

@testable import Sandbox

/// A simulated Stripe without ports: requests are handed in, answers come back.
struct Rig {
    let keeper: Keeper
    let stripe = SimulatedStripe()
    let switches = Switches()
    let front: Front
    let time: HandClock

    static let furniture = Furniture(
        keys: ["webhook_secret": "whsec_0123456789abcdef", "secret_key": "sk_test_1"])

    init(file: String? = nil, seed: UInt64 = 7, time: HandClock = HandClock()) throws {
        self.time = time
        keeper = try .ofTest(file, seed: seed, time)
        front = Front(platform: stripe, keeper: keeper, switches: switches)
        keeper.turn { stripe.furnish($0, Self.furniture) }
    }

    /// Nil where the connection was closed.
    func send(
        _ method: String, _ path: String, _ form: String = "", key: String? = nil, headers: [Field] = []
    ) async throws -> (status: Int, json: JSON, headers: [Field])? {
        let answer = await front.answer(
            SandboxRequest(
                method: method, path: path, query: method == "POST" ? "" : form,
                headers: [Field("Authorization", "Bearer sk_test_1")] + headers
                    + (key.map { [Field("Idempotency-Key", $0)] } ?? []),
                body: method == "POST" ? Array(form.utf8) : [], base: "http://127.0.0.1:1"))
        guard let answer else { return nil }
        return (answer.status, try JSON.parse(answer.body), answer.headers)
    }

    /// What a call that must succeed gives.
    func get(_ path: String, _ query: String = "") async throws -> JSON {
        try await send("GET", path, query)?.json ?? .null
    }
    func post(_ path: String, _ form: String = "", key: String? = nil) async throws -> JSON {
        try await send("POST", path, form, key: key)?.json ?? .null
    }

    /// A member who pays 19.99 a month with this card. The subscription.
    func member(card: String = "pm_card_visa") async throws -> JSON {
        let customer = try await post("/v1/customers", "name=Mira&metadata[patchbay_user]=u_1")["id"]?.text ?? ""
        let method = try await post("/v1/payment_methods/\(card)/attach", "customer=\(customer)")["id"]?.text ?? ""
        let price = try await post(
            "/v1/prices", "currency=usd&unit_amount=1999&recurring[interval]=month&product_data[name]=Loaf")["id"]?.text
        return try await post(
            "/v1/subscriptions",
            "customer=\(customer)&items[0][price]=\(price ?? "")&default_payment_method=\(method)")
    }

    /// The types of all events, oldest first.
    func told() -> [String] {
        keeper.turn { world in
            world.objects(of: StripeResource.event.kind).reversed().compactMap { $0["type"]?.text }
        }
    }
}

/// A clock that stands still until it is moved.
final class HandClock: Sendable {
    private let moment = Mutex(Timestamp(seconds: 1_795_255_200))
    var now: Timestamp { moment.withLock { $0 } }
    func move(_ duration: Duration) { moment.withLock { $0 = $0 + duration } }
}

extension Keeper {
    /// - Parameter file: nil keeps nothing.
    static func ofTest(_ file: String?, seed: UInt64, _ time: HandClock) throws -> Keeper {
        guard let file else { return Keeper(seed: seed, clock: { time.now }) }
        return try Keeper(file: file, seed: seed, clock: { time.now }) { fault in
            Issue.record("\(fault)")
            exit(1)  // Nothing may go on over a file that takes no more.
        }
    }
}
