public import Kit

/// Samples of the topics that TikTok Shop documents by name.
extension TikTokShop: SampleSource {
    public var samples: [WebhookSample] { Self.orders + Self.products + Self.others }

    private static let orders = [
        sample(1) { with in
            [
                "order_id": .string(with.digits(18)), "order_status": "AWAITING_SHIPMENT", "is_on_hold_order": false,
                "update_time": JSON(with.at.seconds),
            ]
        },
        sample(3) { ["order_id": .string($0.digits(18)), "update_time": JSON($0.at.seconds)] },
        sample(4) { with in
            let package: JSON = [
                "package_id": .string(with.digits(19)), "order_id_list": [.string(with.digits(18))],
            ]
            return [
                "sc_type": "COMBINE", "role_type": "ROLE_USER", "package_list": [package],
                "update_time": JSON(with.at.seconds),
            ]
        },
        sample(11) { with in
            [
                "order_id": .string(with.digits(18)), "cancellations_role": "BUYER",
                "cancel_status": "CANCELLATION_REQUEST_PENDING", "cancel_id": .string(with.digits(19)),
                "create_time": JSON(with.at.seconds),
            ]
        },
        sample(12) { with in
            [
                "order_id": .string(with.digits(18)), "return_role": "BUYER", "return_type": "REFUND",
                "return_status": "RETURN_OR_REFUND_REQUEST_PENDING", "return_id": .string(with.digits(19)),
                "create_time": JSON(with.at.seconds), "update_time": JSON(with.at.seconds),
            ]
        },
        sample(36) { with in
            [
                "package_id": .string(with.digits(19)), "order_ids": [.string(with.digits(18))],
                "invoice_status": "INVALID", "invalid_reason": "NOT_FOUND",
            ]
        },
    ]

    private static let products = [
        // The number is TikTok Shop's own: other topics send product ids as texts.
        sample(5) { with in
            [
                "product_id": .number(with.digits(19)), "status": "PRODUCT_AUDIT_FAILURE", "suspended_reason": "",
                "update_time": JSON(with.at.seconds),
            ]
        },
        sample(15) { with in
            [
                "product_id": .string(with.digits(19)), "change_source": "SELLER_CENTER", "changed_fields": ["title"],
                "update_time": JSON(with.at.seconds),
            ]
        },
        sample(16) { with in
            [
                "product_id": .number(with.digits(19)), "product_types": ["GPR_PRODUCT"],
                "update_time": JSON(with.at.seconds),
            ]
        },
        sample(18) { with in
            [
                "product_id": .string(with.digits(19)), "previous_category_id": "600001",
                "current_category_id": "600002", "update_time": JSON(with.at.seconds),
            ]
        },
        sample(37) { with in
            [
                "product_id": .number(with.digits(19)),
                "audit": ["status": "PRE_APPROVED", "pre_approved_reason": "KYC_PENDING"],
                "update_time": JSON(with.at.seconds),
            ]
        },
    ]

    private static let others = [
        sample(6) { _ in ["message": "Shop_id {xxx} is deauthorized from your APP by merchant."] },
        sample(7) { with in
            [
                "message": "Authorization of shop_id {xxx} is expiring in {x} days.",
                "expiration_time": .string(String(with.at.seconds + 2_592_000)),
            ]
        },
        sample(13) { ["conversation_id": .string($0.digits(18)), "create_time": JSON($0.at.seconds)] },
        sample(14) { with in
            [
                "content": #"{"content":"Is there rye today?"}"#, "conversation_id": .string(with.digits(18)),
                "create_time": JSON(with.at.seconds), "is_visible": true, "message_id": .string(with.digits(18)),
                "index": .string(with.digits(19)), "type": "TEXT",
            ]
        },
    ]

    private static func sample(
        _ number: Int64, _ data: @escaping @Sendable (WebhookSample.Ingredients) -> JSON
    ) -> WebhookSample {
        WebhookSample(types[number] ?? "TYPE_\(number)") { with in
            .json([
                "type": JSON(number), "tts_notification_id": .string(with.digits(19)),
                "shop_id": .string(with.digits(19)), "timestamp": JSON(with.at.seconds), "data": data(with),
            ])
        }
    }
}
