import Foundation
import Kit

/// The bakery's own calls to Stripe, as its till makes them.
struct StripeTill: Sendable {
    let base: String
    let key: String

    /// Lets the payment of a member fail. Their user, and why the card was declined.
    func failPayment() async throws -> (user: String, reason: String?) {
        let members = try await call("GET", "/v1/subscriptions?status=active&limit=20")["data"]?.elements ?? []
        let member = members.first { $0["metadata", "patchbay_user"]?.text != nil }
        guard let member, let id = member["id"]?.text, let customer = member["customer"]?.text,
            let item = member["items", "data"]?.elements?.first, let itemID = item["id"]?.text
        else { throw Fault("Nobody is a member yet. Wait a few seconds, then try again.", code: 1) }
        let card = try await call(
            "POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", [("customer", customer)])
        guard let cardID = card["id"]?.text else { throw Fault("Stripe attaches no card.", code: 1) }
        _ = try await call(
            "POST", "/v1/subscriptions/\(id)",
            [
                ("default_payment_method", cardID), ("items[0][id]", itemID),
                ("items[0][quantity]", String((item["quantity"]?.integer ?? 1) + 1)),
                ("proration_behavior", "always_invoice"),
            ])
        return (member["metadata", "patchbay_user"]?.text ?? "somebody", "card_declined")
    }

    private func call(_ method: String, _ path: String, _ form: [(String, String)] = []) async throws -> JSON {
        let body = form.map { "\(APIClient.encoded($0))=\(APIClient.encoded($1))" }.joined(separator: "&")
        let (status, bytes) = try await Loopback.send(
            method, base + path,
            headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/x-www-form-urlencoded")],
            body: method == "GET" ? nil : Array(body.utf8))
        let json = (try? JSON.parse(bytes)) ?? .null  // Then the status says enough.
        guard status == 200 else {
            throw Fault(json["error", "message"]?.text ?? "Stripe answers \(status).", code: 1)
        }
        return json
    }
}
