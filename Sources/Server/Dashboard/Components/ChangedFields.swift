import Kit
import Store

/// What a change altered, field by field: from its own `previous`, or from the change before it of the same thing.
struct ChangedRow: Sendable {
    /// `users / rye`; empty where the line above says it.
    let name: String
    let field: String
    let before: String?
    let after: String

    /// Members that name the thing and what changed it, and say nothing of its state.
    private static let names: Set<String> = [
        "user_id", "version", "provider", "subscription_id", "payment_id", "customer", "event_id", "previous", "id",
        "provisional", "unclear",
    ]

    /// - Parameter earlier: the change before it about the same subject; nil where none is kept.
    static func rows(of change: Change, earlier: Change?, times: Times) -> [ChangedRow] {
        // Our own data: what cannot be read changed nothing that could be shown.
        let data = (try? JSON.parse(change.data)) ?? .null
        let previous = data["previous"] ?? earlier.flatMap { try? JSON.parse($0.data) }
        var rows: [ChangedRow] = []
        for member in data.members ?? [] where !names.contains(member.name) {
            let old = previous?[member.name]
            guard old != member.value else { continue }
            if old == nil, member.value.isNull { continue }
            let thing = "\(change.type.prefix { $0 != "." })s / \(change.subject ?? "?")"
            rows.append(
                ChangedRow(
                    name: rows.isEmpty ? thing : "", field: member.name,
                    before: old.flatMap { $0.isNull ? nil : text($0, times) }, after: text(member.value, times)))
        }
        return rows
    }

    private static func text(_ json: JSON, _ times: Times) -> String {
        if let amount = json["amount"]?.integer, let currency = json["currency"]?.text {
            return MoneyText.of(amount, currency)
        }
        if let text = json.text {
            return Timestamp(rfc3339: text).map { times.moment($0).text } ?? OutsideText.bounded(text, 200)
        }
        return json.isNull ? "—" : OutsideText.bounded(String(decoding: json.bytes, as: UTF8.self), 200)
    }
}
