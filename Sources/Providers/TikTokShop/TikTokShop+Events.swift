import Kit

/// One event a delivery, named by `tts_notification_id`; older topics have none and are named by their bytes.
extension TikTokShop {
    static func events(in delivery: Delivery) throws(Unreadable) -> [Event] {
        let found: JSONScan.Found
        do { found = try scan.read(delivery.body) } catch { throw Unreadable(error.sentence) }
        guard let number = found.integer(0) else { throw Unreadable("The delivery has no type.") }
        let at = found.integer(3).map(Timestamp.init(seconds:))
        let id = found.content(1).flatMap { $0.isEmpty ? nil : Array($0) }
        let account = found.text(2) ?? found.text(4) ?? found.text(5)
        let subject =
            found.text(6) ?? found.text(7) ?? found[7].map { String(decoding: delivery.body[$0.range], as: UTF8.self) }
        return [
            Event(
                identity: EventIdentity(
                    day: at?.day ?? 0,
                    ofParts: [id == nil ? [0] : [1], Array((account ?? "").utf8), id ?? delivery.body]),
                providerEventID: found.text(1).map { OutsideText.bounded($0) },
                type: types[number] ?? "TYPE_\(number)",
                account: account.map { OutsideText.bounded($0) }, subject: subject.map { OutsideText.bounded($0) },
                occurredAt: at, body: delivery.body.indices)
        ]
    }

    /// When the platform sent it first, by its own word.
    static func time(in delivery: Delivery) -> Timestamp? {
        (try? scan.read(delivery.body))?.integer(3).map(Timestamp.init(seconds:))  // What is no JSON says no time.
    }

    private static let scan = JSONScan([
        ["type"], ["tts_notification_id"], ["shop_id"], ["timestamp"], ["seller_open_id"], ["creator_open_id"],
        ["data", "order_id"], ["data", "product_id"],
    ])

    /// The names that TikTok Shop's webhook API gives to the numbers. Others are kept as `TYPE_99`.
    /// Source: partner.tiktokshop.com/docv2/page/tts-webhooks-overview.
    static let types: [Int64: String] = [
        1: "ORDER_STATUS_CHANGE", 2: "REVERSE_STATUS_UPDATE", 3: "RECIPIENT_ADDRESS_UPDATE", 4: "PACKAGE_UPDATE",
        5: "PRODUCT_STATUS_CHANGE", 6: "SELLER_DEAUTHORIZATION", 7: "UPCOMING_AUTHORIZATION_EXPIRATION",
        11: "CANCELLATION_STATUS_CHANGE", 12: "RETURN_STATUS_CHANGE", 13: "NEW_CONVERSATION", 14: "NEW_MESSAGE",
        15: "PRODUCT_INFORMATION_CHANGE", 16: "PRODUCT_CREATION", 18: "PRODUCT_CATEGORY_CHANGE",
        36: "INVOICE_STATUS_CHANGE", 37: "PRODUCT_AUDIT_STATUS_CHANGE",
    ]
}
