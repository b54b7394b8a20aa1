public import Kit

/// Webhooks: an RSA signature over `id|time|webhook id|checksum of the body`, by a certificate that PayPal serves; or
/// PayPal's own word that it is right (`PayPal+Asking`).
/// Source: developer.paypal.com/api/rest/webhooks/rest/#link-eventheadervalidation.
extension PayPal: OperatorConfigured {
    /// Sandbox and live have hosts, certificates and webhooks of their own.
    public enum Environment: String, Sendable, CaseIterable {
        case live, sandbox

        /// Where certificates may stand.
        var hosts: [String] {
            switch self {
            case .live: ["api.paypal.com", "api-m.paypal.com"]
            case .sandbox: ["api.sandbox.paypal.com", "api-m.sandbox.paypal.com"]
            }
        }

        /// Where its API is.
        var api: String {
            switch self {
            case .live: "https://api-m.paypal.com"
            case .sandbox: "https://api-m.sandbox.paypal.com"
            }
        }
    }

    public var webhooks: WebhookScheme { Self.scheme(Environment.allCases) }

    enum Header {
        static let id = "PAYPAL-TRANSMISSION-ID"
        static let time = "PAYPAL-TRANSMISSION-TIME"
        static let signature = "PAYPAL-TRANSMISSION-SIG"
        static let certificate = "PAYPAL-CERT-URL"
        static let algorithm = "PAYPAL-AUTH-ALGO"
        static let all = [id, time, signature, certificate, algorithm]
    }
    static let algorithm = "SHA256withRSA"
    static let certificates = "/v1/notifications/certs/"

    /// - Parameters:
    ///   - base: an address besides PayPal's own under which certificates may stand: a simulation's.
    ///   - client: the app of the settings, where PayPal is asked.
    static func scheme(
        _ environments: [Environment], base: String? = nil, by proving: Proving = .certificate,
        as client: ClientCredentials? = nil
    ) -> WebhookScheme {
        let origins = environments.flatMap(\.hosts).map { "https://\($0)" } + (base.map { [$0] } ?? [])
        let verification: WebhookScheme.Verification =
            switch proving {
            case .certificate: .remote(certified(origins))
            case .api: .asked(asking(origins, at: base ?? (environments.first ?? .live).api, as: client))
            }
        var scheme = WebhookScheme(
            verification, secrets: .identifier,
            // PayPal sends for three days, and may sign once for all of them.
            tolerance: .init(past: .days(3) + .hours(2), future: .hours(1)),
            repeatsFor: .days(4),
            handled: .none,
            findable: FindableValues(
                FindableValue("resource", json: "resource.id"),
                FindableValue(
                    "order", json: "resource.supplementary_data.related_ids.order_id", "resource.parent_payment",
                    "resource.billing_agreement_id"),
                FindableValue("the application's own number", json: "resource.custom_id", "resource.invoice_id"),
                FindableValue(
                    "e-mail address", json: "resource.payer.email_address", "resource.subscriber.email_address")),
            events: { delivery throws(Unreadable) in try events(in: delivery, areTests: environments == [.sandbox]) })
        scheme.nonce = { $0.headers[Header.id].map { Array($0.utf8) } }
        return scheme
    }

    private static func certified(_ origins: [String]) -> RemoteProof {
        RemoteProof(
            "RSA-SHA256", headers: Header.all,
            fetching: KeyFetching(
                accepts: "application/x-pem-file, text/plain, */*", documentMax: 64 << 10, documentsMax: 1,
                redirectsMax: 0, life: .hours(24), refusalLife: .minutes(1), bringsCertificates: true),
            need: { delivery, ids throws(Forged) in try need(delivery, ids, origins) },
            read: read, prove: prove)
    }

    public static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute] {
        let ids = try settings.secrets("PAYPAL_WEBHOOK_ID", written: .identifier)
        // A test instance talks to PayPal's sandbox unless it is told otherwise.
        let usual = settings.text("PATCHBAY_MODE") == "test" ? Environment.sandbox : .live
        let environment = try settings.word("PAYPAL_MODE", of: Environment.self) ?? usual
        // Without an id of its own the route is off; apps that are added later are held to the environment too.
        let base = settings.text("PAYPAL_BASE_URL").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        let proving = try settings.word("PAYPAL_VERIFICATION", of: Proving.self) ?? .certificate
        var client: ClientCredentials?
        if proving == .api {
            client = try self.client(settings, environment, isNeeded: !ids.isEmpty)
        }
        return [WebhookRoute(scheme([environment], base: base, by: proving, as: client), ids)]
    }

    /// The app that asks. Sandbox and live have apps of their own.
    private static func client(
        _ settings: OperatorSettings, _ environment: Environment, isNeeded: Bool
    ) throws(BadValue) -> ClientCredentials? {
        let beginning = environment == .sandbox ? "PAYPAL_SANDBOX" : "PAYPAL"
        let (idName, secretName) = (beginning + "_CLIENT_ID", beginning + "_CLIENT_SECRET")
        let (id, secret) = (settings.text(idName), settings.text(secretName))
        if let id, let secret { return ClientCredentials(id: id, secret: Secret(secret)) }
        guard isNeeded || id != nil || secret != nil else { return nil }
        throw BadValue(id == nil ? idName : secretName, "is not set: PAYPAL_VERIFICATION=api asks as this app.")
    }

    // MARK: Proof

    /// Everything that can be said before the certificate is there, above all that its address is PayPal's.
    private static func need(
        _ delivery: Delivery, _ ids: [WebhookSecret], _ origins: [String]
    ) throws(Forged) -> KeyNeed {
        guard ids.contains(where: { $0.identifier != nil }) else { throw .noSecret }
        let presented = try presented(in: delivery)
        let url = try certificate(in: delivery, origins)
        return KeyNeed(name: url, url: url, claimed: SignedTime(presented.time))
    }

    /// The certificate's address, which must be one of PayPal's.
    static func certificate(in delivery: Delivery, _ origins: [String]) throws(Forged) -> String {
        let url = try delivery.theOnly(Header.certificate, atMost: OutsideURL.longest)
        let origin = origins.first { url.utf8.starts(with: ($0 + certificates).utf8) }
        guard let origin, isPlain(url.utf8.dropFirst((origin + certificates).utf8.count)) else {
            throw .untrustedKey(
                "The certificate's address is none of PayPal's for this environment, so it is not asked for. "
                    + "Sandbox and live have hosts of their own: see PAYPAL_MODE.")
        }
        return url
    }

    /// The last part of a path and no more: no way up, no query.
    private static func isPlain(_ name: some Collection<UInt8>) -> Bool {
        !name.isEmpty
            && name.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private static func read(
        _ need: KeyNeed, _ documents: [KeyDocument], _ trust: KeyTrust
    ) async throws(BadKey) -> KeyStep {
        guard let certificates = trust.certificates else {
            throw BadKey("This server has no list of root certificates. Install ca-certificates.")
        }
        guard let document = documents.last else { throw BadKey("There is no certificate.") }
        let rule = CertificateRule(nameEnds: ".paypal.com")
        let vouched = try await certificates.key(in: document.body, by: rule, at: trust.now)
        return .found(FoundKey(vouched.key, until: vouched.until))
    }

    private static func prove(
        _ delivery: Delivery, _ ids: [WebhookSecret], _ found: FoundKey
    ) throws(Forged) -> SignedTime? {
        let presented = try presented(in: delivery)
        let bar = [UInt8(ascii: "|")]
        let checksum = Array("\(CRC32.of(delivery.body))".utf8)
        var isProven = false
        for id in ids.compactMap(\.identifier) where !isProven {
            let message = presented.id + bar + presented.timeText + bar + id + bar + checksum
            isProven = found.key.made(presented.signature, over: message, by: .rsaSHA256)
        }
        guard isProven else { throw .wrongSignature }
        return SignedTime(presented.time)
    }

    struct Presented {
        let id: [UInt8]
        /// As it was sent: it is signed as text.
        let timeText: [UInt8]
        let time: Timestamp
        let signature: [UInt8]
    }

    static func presented(in delivery: Delivery) throws(Forged) -> Presented {
        let id = try delivery.theOnly(Header.id, atMost: 256)
        let timeText = try delivery.theOnly(Header.time, atMost: 64)
        // A bar would move the border to what follows.
        guard !id.utf8.contains(UInt8(ascii: "|")) else {
            throw .malformed(header: Header.id, problem: "holds a bar, which ends it in what is signed")
        }
        guard let time = Timestamp(rfc3339: timeText) else {
            throw .malformed(header: Header.time, problem: "is no time such as 2026-11-21T10:00:00Z")
        }
        // PayPal's older library takes SHA1withRSA too; nobody should.
        guard try delivery.theOnly(Header.algorithm, atMost: 64).utf8.elementsEqual(algorithm.utf8) else {
            throw .malformed(header: Header.algorithm, problem: "is not \(algorithm)")
        }
        guard let signature = Base64.decode(Array(try delivery.theOnly(Header.signature, atMost: 2048).utf8)) else {
            throw .malformed(header: Header.signature, problem: "is not base64")
        }
        return Presented(id: Array(id.utf8), timeText: Array(timeText.utf8), time: time, signature: signature)
    }
}
