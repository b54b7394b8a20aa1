import Kit
import Store

/// The change that tells the application of a platform's event, with the platform's own bytes as `payload`.
enum EventReceived {
    static func change(
        _ id: ID<ChangeKind>, event: ID<EventKind>, delivery: ID<DeliveryKind>, provider: String, type: String,
        providerEventID: String?, occurredAt: Timestamp?, receivedAt: Timestamp, userID: String?,
        connection: String? = nil, body: BodyRange
    ) -> NewChange {
        let data: JSON = [
            "id": JSON(event), "delivery_id": JSON(delivery), "provider": .string(provider), "type": .string(type),
            "provider_event_id": JSON(providerEventID), "occurred_at": JSON(occurredAt),
            "received_at": JSON(receivedAt), "user_id": JSON(userID), "connection_id": JSON(connection),
        ]
        return NewChange(
            id: id, type: "event.received", subject: event.text, userID: userID, occurredAt: occurredAt ?? receivedAt,
            data: data.bytes, body: body)
    }
}

extension JSON {
    /// One line of text, for columns that hold JSON.
    var line: String { String(decoding: bytes, as: UTF8.self) }
}
