public import Kit

/// A believed delivery whose events nobody could read, with its bytes.
public struct KeptDelivery: Sendable {
    public let id: ID<DeliveryKind>
    public let provider: String
    public let app: ID<AppKind>
    public let delivery: Delivery
    /// Flagged so when it came.
    public let isLate: Bool
}

extension Session {
    /// Nil when it has events, or its bytes are gone.
    ///
    /// - Throws: `StoreError.damaged` when the bytes are not those that were stored.
    public func keptDelivery(_ id: ID<DeliveryKind>) throws -> KeptDelivery? {
        try row(
            """
            SELECT d.provider, d.app_id, d.method, d.target, d.headers, d.received_at, d.flags, b.bytes, b.encoding,
                   b.checksum
              FROM deliveries d
              JOIN bodies b ON b.id = d.body_id
             WHERE d.id = \(id) AND d.verdict = 'accepted' AND d.event_id IS NULL AND d.app_id IS NOT NULL
            """
        ) { row in
            let (provider, app, method) = (try row.text(), try row.id(AppKind.self), try row.text())
            let (target, headers, received) = (try row.blob(), try row.blob(), try row.time())
            let (flags, body) = (try row.optionalText() ?? "", try row.storedBody())
            let delivery = Delivery(
                method: method, target: String(decoding: target, as: UTF8.self), headers: Self.fields(in: headers),
                body: try body.checked("the body of \(id)"), receivedAt: received)
            return KeptDelivery(
                id: id, provider: provider, app: app, delivery: delivery,
                isLate: flags.split(separator: " ").contains("late"))
        }
    }

    /// From `name: value` lines.
    private static func fields(in lines: [UInt8]) -> [Field] {
        lines.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            return Field(
                String(decoding: line[..<colon], as: UTF8.self),
                String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self))
        }
    }
}
