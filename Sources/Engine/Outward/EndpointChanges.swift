import Kit
import Store

/// The changes that tell of endpoints themselves.
struct EndpointChanges: Sendable {
    let endpoint: ID<EndpointKind>
    let url: String
    let identifiers: Identifiers

    func change(for verdict: EndpointJudge.Verdict, failingSince: Timestamp?, at now: Timestamp) -> NewChange {
        switch verdict {
        case .warned(let number, let disabledAt):
            change(
                "endpoint.failing", at: now,
                [
                    JSONMember("failing_since", JSON(failingSince)), JSONMember("warning", JSON(number)),
                    JSONMember("disabled_at", JSON(disabledAt)),
                ])
        case .disabled(let reason):
            change(
                "endpoint.disabled", at: now,
                [
                    JSONMember("failing_since", JSON(failingSince)), JSONMember("reason", .string(reason)),
                ])
        }
    }

    /// The marker for a change that is not tried any more. None about what tells of endpoints: a marker that fails
    /// would bring another for ever.
    func dropped(_ item: FeedItem, key: String?, attempts: Int64, at now: Timestamp) -> NewChange? {
        guard !item.type.hasPrefix("endpoint.") else { return nil }
        return change(
            "endpoint.change_dropped", at: now,
            [
                JSONMember("change_id", JSON(item.id)), JSONMember("change_type", .string(item.type)),
                JSONMember("position", JSON(item.position)), JSONMember("ordering_key", JSON(key)),
                JSONMember("attempts", JSON(attempts)),
            ])
    }

    /// Without the query, where some put a key.
    private var address: String { String(url.prefix { $0 != "?" }) }

    private func change(_ type: String, at now: Timestamp, _ more: [JSONMember]) -> NewChange {
        NewChange(
            id: identifiers.make(), type: type, subject: endpoint.text, occurredAt: now,
            data: JSON.object(
                [JSONMember("endpoint_id", JSON(endpoint)), JSONMember("url", .string(address))] + more
            ).bytes)
    }
}
