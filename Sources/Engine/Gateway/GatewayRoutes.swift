import Kit

/// Every webhook address, by its key: how what comes there is proven.
struct GatewayRoutes: Sendable {
    private let schemes: [String: WebhookScheme]
    private let names: [String: String]
    let callbacks: [(provider: String, callback: SignedCallback)]

    /// - Parameter configured: what the settings made of some of the sources.
    init(_ sources: [any WebhookSource], configured: [String: WebhookScheme]) {
        var schemes = Dictionary(uniqueKeysWithValues: sources.map { ($0.about.id, $0.webhooks) })
        schemes.merge(configured) { $1 }
        self.schemes = schemes
        names = Dictionary(uniqueKeysWithValues: sources.map { ($0.about.id, $0.about.name) })
        callbacks = sources.compactMap { $0 as? any SignedCallbackSource }.flatMap { source in
            source.callbacks.map { (source.about.id, $0) }
        }
    }

    /// What a request to this path and query means, where it is no webhook's. An app's id may stand behind the path.
    func callback(at target: String) -> SignedCallback? {
        let path = target.prefix { $0 != "?" }
        return callbacks.first { path == $0.callback.path || path.hasPrefix($0.callback.path + "/") }?.callback
    }

    /// An address of its own first, else that of its platform.
    func scheme(_ provider: String, _ owner: String?) -> WebhookScheme? {
        schemes[WebhookSecrets.key(provider, owner)] ?? schemes[provider]
    }

    /// As the platform writes itself.
    func name(of provider: String) -> String { names[provider] ?? provider }

    /// The other platforms, by id, with how their usual deliveries are proven.
    func others(than provider: String) -> [(provider: String, scheme: WebhookScheme)] {
        names.keys.sorted().filter { $0 != provider }.compactMap { id in schemes[id].map { (id, $0) } }
    }
}
