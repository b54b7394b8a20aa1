/// The names of providers, the same in routes, API, tables, settings and docs.
enum ProviderName {
    static let all: Set<String> = [
        "stripe", "paypal", "braintree", "authorize-net", "instagram", "tiktok", "tiktok-business", "tiktok-shop", "x",
        "reddit", "bluesky", "activitypub", "matrix", "google", "s3", "spaces", "disk", "ipfs", "twilio", "sendgrid",
        "fcm", "socket-io", "maxmind", "ip2location", "mapbox", "nominatim", "google-maps", "openai", "rekognition",
        "google-vision", "firestore", "standard-webhooks", "svix", "generic",
    ]

    /// 1 to 32 lower-case letters, digits, `-` and `_`.
    static func isSlug(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
            }
    }
}
