import Certificates
import Engine
import Kit
import Logging

extension Settings {
    /// Reads and checks every value. Read downwards: what stands first is reported first.
    init(_ values: SettingsValues, isDemo: Bool) throws(BadSetting) {
        demo = try Self.demo(values)
        let isDemo = isDemo || demo != nil
        self.isDemo = isDemo
        mode = try values.word("PATCHBAY_MODE", of: Mode.self) ?? (isDemo ? .test : .live)
        if isDemo, mode == .live {
            throw BadSetting("PATCHBAY_MODE", "a demo is a test instance.", example: "PATCHBAY_MODE=test")
        }
        database = try values.read("PATCHBAY_DATABASE_URL", DatabaseAddress.init(setting:)) ?? database
        redisURL = try values.read("PATCHBAY_REDIS_URL", Self.redis)
        migrates = try values.read("PATCHBAY_MIGRATE", Self.onOrOff) ?? true
        log = try values.read("PATCHBAY_LOG", LogSettings.init(setting:)) ?? log
        try readListening(values)
        encryptionKeys = try values.read("PATCHBAY_ENCRYPTION_KEYS", EncryptionKey.list) ?? []
        sealsBodies = try values.read("PATCHBAY_SEAL_BODIES", Self.onOrOff) ?? false
        if sealsBodies, encryptionKeys.isEmpty {
            throw BadSetting(
                "PATCHBAY_SEAL_BODIES",
                "needs PATCHBAY_ENCRYPTION_KEYS, which is not set. Make a key with: patchbay vault key")
        }
        allowedPrivateAddresses = try values.read("PATCHBAY_ALLOW_PRIVATE_ADDRESSES", Self.ranges) ?? []
        webhookAliases = try values.read("PATCHBAY_WEBHOOK_ALIASES", Self.aliases) ?? [:]
        returnOrigins = try values.read("PATCHBAY_RETURN_ORIGINS", Self.origins) ?? []
        toldRecords = try values.read("PATCHBAY_RECORD_CHANGES", Self.streams) ?? []
        publishLateMax = try values.read("PATCHBAY_PUBLISH_LATE_MAX", Self.life) ?? publishLateMax
        for kind in Retention.Kind.allCases {
            if let life = try values.read(kind.settingName, Self.life) { retention[kind] = life }
        }
        try readPlatforms(values)
        objectsFolder = values.text("DISK_STORAGE_PATH") ?? Self.usualFolder(database)
        try readSandbox(values)
        try readRoots(values)
        notices = self.notices(values)
    }

    /// Beside the file of the database.
    private static func usualFolder(_ database: DatabaseAddress) -> String? {
        guard case .sqlite(let path) = database else { return nil }
        return path + "-objects"
    }

    private mutating func readListening(_ values: SettingsValues) throws(BadSetting) {
        listen = try values.read("PATCHBAY_LISTEN", ListenAddress.init(setting:)) ?? listen
        trustedProxies = try values.read("PATCHBAY_TRUSTED_PROXIES", Self.ranges) ?? []
        rateLimits.key = try values.read("PATCHBAY_RATE_LIMIT_KEY", Self.rate) ?? rateLimits.key
        rateLimits.address = try values.read("PATCHBAY_RATE_LIMIT_ADDRESS", Self.rate) ?? rateLimits.address
        publicURL = try values.secureURL("PATCHBAY_PUBLIC_URL", anyScheme: isDemo)
        switch (values.text("PATCHBAY_TLS_CERT"), values.text("PATCHBAY_TLS_KEY")) {
        case (nil, nil): tls = nil
        case (let certificate?, let key?): tls = TLSFiles(certificate: certificate, key: key)
        case (_?, nil): throw BadSetting("PATCHBAY_TLS_KEY", "is not set, but PATCHBAY_TLS_CERT is. TLS needs both.")
        case (nil, _?): throw BadSetting("PATCHBAY_TLS_CERT", "is not set, but PATCHBAY_TLS_KEY is. TLS needs both.")
        }
        guard !listen.isLoopback, tls == nil, trustedProxies.isEmpty, !isDemo else { return }
        throw BadSetting(
            "PATCHBAY_LISTEN",
            "\(listen.host) would speak plain http to the network. Set PATCHBAY_TLS_CERT and PATCHBAY_TLS_KEY, or name "
                + "the proxy in front in PATCHBAY_TRUSTED_PROXIES.")
    }

    private mutating func readPlatforms(_ values: SettingsValues) throws(BadSetting) {
        stripe.secretKey = values.text("STRIPE_SECRET_KEY").map { Secret($0) }
        stripe.publishableKey = values.text("STRIPE_PUBLISHABLE_KEY")
        for name in ["STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY"] {
            guard mode == .test, let key = values.text(name), key.dropFirst(2).hasPrefix("_live_") else { continue }
            throw BadSetting(
                name,
                "holds a live key, and this is \(isDemo ? "a demo" : "a test instance"). Use Stripe's test key."
            )
        }
        stripe.webhookSecrets = try values.webhookSecrets("STRIPE_WEBHOOK_SECRET", written: .text)
        stripe.baseURL = try values.secureURL("STRIPE_BASE_URL", anyScheme: isDemo) ?? stripe.baseURL
        standardWebhooks = try values.webhookSecrets("STANDARD_WEBHOOKS_SECRET", written: .standard)
        try readWebhookRoutes(values)
        try readConnecting(values)
        for setting in Setting.all where setting.name.hasSuffix("_BASE_URL") {
            _ = try values.secureURL(setting.name, anyScheme: isDemo)
        }
    }

    /// What each platform declares of its own settings.
    private mutating func readWebhookRoutes(_ values: SettingsValues) throws(BadSetting) {
        let settings = OperatorSettings(values.text)
        for provider in Providers.configured {
            do {
                for route in try type(of: provider).routes(settings) {
                    webhookRoutes[WebhookSecrets.key(provider.about.id, route.name)] = route
                }
            } catch {
                throw BadSetting(error.name, error.reason)
            }
        }
    }

    /// The control address of a sandbox, on this machine; what it can do has no place in a live instance.
    private mutating func readSandbox(_ values: SettingsValues) throws(BadSetting) {
        sandboxURL = try values.loopbackURL("PATCHBAY_SANDBOX_URL")
        guard sandboxURL != nil, mode == .live else { return }
        throw BadSetting("PATCHBAY_SANDBOX_URL", "is for a test instance, and this one is live. Leave it out.")
    }

    /// Whoever sets roots decides who can sign: never in a live instance, where only the system's count.
    private mutating func readRoots(_ values: SettingsValues) throws(BadSetting) {
        guard let pem = values.text("PATCHBAY_CERTIFICATE_ROOTS") else { return }
        guard mode == .test else {
            throw BadSetting(
                "PATCHBAY_CERTIFICATE_ROOTS", "is for a test instance, and this one is live. Leave it out.")
        }
        certificateRoots = Array(pem.utf8)
        do { _ = try CertificateChain(roots: Array(pem.utf8)) } catch {
            throw BadSetting("PATCHBAY_CERTIFICATE_ROOTS", error.reason)
        }
    }

    private static func demo(_ values: SettingsValues) throws(BadSetting) -> DemoSettings? {
        guard let control = try values.loopbackURL("PATCHBAY_DEMO_CONTROL") else { return nil }
        guard let token = values.text("PATCHBAY_DEMO_TOKEN") else {
            throw BadSetting("PATCHBAY_DEMO_TOKEN", "is not set. Start a demo with: patchbay demo", example: "")
        }
        return DemoSettings(control: control, token: Secret(token))
    }

    private func notices(_ values: SettingsValues) -> [String] {
        var notices: [String] = []
        if stripe.webhookSecrets.isEmpty {
            notices.append("STRIPE_WEBHOOK_SECRET is not set: /webhooks/stripe is off.")
        }
        if standardWebhooks.isEmpty {
            notices.append("STANDARD_WEBHOOKS_SECRET is not set: /webhooks/standard-webhooks is off.")
        }
        if mode == .live, let key = values.text("STRIPE_SECRET_KEY"), key.dropFirst(2).hasPrefix("_test_") {
            notices.append("STRIPE_SECRET_KEY holds a test key, and this instance is live.")
        }
        if values.text("FCM_SERVER_KEY") != nil {
            notices.append(
                "FCM_SERVER_KEY is of an interface that Google switched off in 2024. Set FCM_SERVICE_ACCOUNT instead."
            )
        }
        let unused = Setting.all.filter { [.checked, .known].contains($0.standing) && values.text($0.name) != nil }.map(
            \.name)
        if !unused.isEmpty { notices.append("Known, but not used by this version: \(unused.joined(separator: " ")).") }
        return notices
    }
}

/// Why a value cannot be used: completes the line that begins with the name. Never holds a secret.
struct Unusable: Error {
    let fault: String
    init(_ fault: String) { self.fault = fault }
}

extension SettingsValues {
    /// Nil where nothing is set; throws where what is set cannot be used.
    func read<Value>(_ name: String, _ read: (String) throws(Unusable) -> Value) throws(BadSetting) -> Value? {
        guard let text = text(name) else { return nil }
        do { return try read(text) } catch { throw BadSetting(name, error.fault) }
    }

    func word<Word: RawRepresentable>(_ name: String, of: Word.Type) throws(BadSetting) -> Word?
    where Word.RawValue == String {
        try read(name) { text throws(Unusable) in
            guard let word = Word(rawValue: text) else { throw Unusable("\(shown(text)) is not one of its words.") }
            return word
        }
    }

    func webhookSecrets(_ name: String, written writing: WebhookSecret.Writing) throws(BadSetting) -> [WebhookSecret] {
        guard let text = text(name) else { return [] }
        do { return try WebhookSecret.list(text, written: writing) } catch { throw BadSetting(name, error.reason) }
    }

    /// An address of this machine itself.
    func loopbackURL(_ name: String) throws(BadSetting) -> String? {
        guard let text = try secureURL(name, anyScheme: true) else { return nil }
        guard (try? OutsideURL(text))?.isOnThisMachine == true else {  // It was read above.
            throw BadSetting(name, "must be an address of this machine, such as http://127.0.0.1:4001.")
        }
        return text
    }

    /// An address of https, or of http at this machine itself; without a slash at its end.
    func secureURL(_ name: String, anyScheme: Bool) throws(BadSetting) -> String? {
        guard let text = text(name) else { return nil }
        let url: OutsideURL
        do { url = try OutsideURL(text) } catch { throw BadSetting(name, error.reason) }
        guard url.scheme == .https || anyScheme || url.isOnThisMachine else {
            throw BadSetting(name, "must begin with https://; plain http is for loopback only.")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}

/// A value in a message, bounded.
private func shown(_ text: String) -> String { "\"\(OutsideText.bounded(text, 64))\"" }

// MARK: How single values are written

extension Settings {
    fileprivate static func redis(_ text: String) throws(Unusable) -> Secret {
        let scheme = ["redis://", "rediss://"].first { text.hasPrefix($0) }
        guard let scheme, text.utf8.count > scheme.utf8.count, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw Unusable("must be redis://host:port/number, or rediss:// for TLS.")
        }
        return Secret(text)
    }

    fileprivate static func onOrOff(_ text: String) throws(Unusable) -> Bool {
        guard ["on", "off"].contains(text) else { throw Unusable("\(shown(text)) is neither on nor off.") }
        return text == "on"
    }

    fileprivate static func rate(_ text: String) throws(Unusable) -> Int {
        guard let rate = Int(text), (1...100_000_000).contains(rate) else {
            throw Unusable("\(shown(text)) is no number of requests a minute, 1 or more.")
        }
        return rate
    }

    fileprivate static func life(_ text: String) throws(Unusable) -> Duration {
        guard let life = Retention.life(text) else {
            throw Unusable("\(shown(text)) is no time such as 30d or 36h, from an hour to a hundred years.")
        }
        return life
    }

    fileprivate static func ranges(_ text: String) throws(Unusable) -> [CIDR] {
        do { return try CIDR.list(text) } catch { throw Unusable(error.reason) }
    }

    fileprivate static func aliases(_ text: String) throws(Unusable) -> [String: String] {
        var aliases: [String: String] = [:]
        for part in text.split(separator: ",") {
            let names = part.split(separator: "=", omittingEmptySubsequences: false).map {
                $0.filter { !$0.isWhitespace }
            }
            guard names.count == 2, let alias = names.first, let provider = names.last, ProviderName.isSlug(alias)
            else {
                throw Unusable("\(shown(String(part))) is not alias=provider.")
            }
            guard ProviderName.all.contains(provider) else { throw Unusable("\(shown(provider)) is no provider.") }
            guard aliases.updateValue(provider, forKey: alias) == nil else {
                throw Unusable("\(shown(alias)) stands there twice.")
            }
        }
        return aliases
    }

    fileprivate static func streams(_ text: String) throws(Unusable) -> Set<String> {
        let names = text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map(String.init)
        if let other = names.first(where: { Providers.syncBook.entry($0) == nil }) {
            throw Unusable(
                "\(shown(other)) is no stream. Streams: \(Providers.syncBook.names.joined(separator: ", ")).")
        }
        return Set(names)
    }

    fileprivate static func origins(_ text: String) throws(Unusable) -> [String] {
        var origins: [String] = []
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map(String.init) {
            let url: OutsideURL
            do { url = try OutsideURL(part) } catch { throw Unusable(error.reason) }
            guard url.target == "/" else { throw Unusable("\(shown(part)) is more than an origin: drop the path.") }
            guard url.scheme == .https || url.isOnThisMachine else {
                throw Unusable("\(shown(part)) must begin with https://.")
            }
            origins.append(part.hasSuffix("/") ? String(part.dropLast()) : part)
        }
        return origins
    }
}

extension DatabaseAddress {
    /// `sqlite:FILE`, `postgresql://…` or `postgres://…`.
    init(setting text: String) throws(Unusable) {
        if text.hasPrefix("sqlite:") {
            // `sqlite:///var/lib/x.sqlite` is how other tools write an absolute path.
            let path =
                text.hasPrefix("sqlite:///") ? String(text.dropFirst("sqlite://".count)) : String(text.dropFirst(7))
            guard !path.isEmpty, !path.hasPrefix("//") else { throw Unusable("names no file after sqlite:.") }
            self = .sqlite(path: path)
        } else if text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") {
            self = .postgres(url: Secret(text))
        } else {
            throw Unusable("must begin with sqlite: or postgresql://.")
        }
    }
}

extension ListenAddress {
    /// `host:port`, IPv6 in brackets.
    init(setting text: String) throws(Unusable) {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex else {
            throw Unusable("\(shown(text)) is not host:port.")
        }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(digits), port <= 65_535
        else { throw Unusable("\(shown(text)) has no port from 0 to 65535 at its end.") }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard case .v6? = IPAddress(host) else {
                throw Unusable("\(shown(text)) has no IPv6 address in its brackets.")
            }
        } else if host.contains(":") || host.contains(where: \.isWhitespace) {
            throw Unusable("\(shown(text)) is not host:port; an IPv6 address stands in brackets.")
        }
        self.init(host: host, port: port)
    }
}

extension LogSettings {
    /// A format and a level, in any order, with a comma or a blank between.
    init(setting text: String) throws(Unusable) {
        var format = Format.text
        var level = Logger.Level.info
        for word in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map({ $0.lowercased() }) {
            if let known = Format(rawValue: word) {
                format = known
            } else if let known = Logger.Level(rawValue: word) {
                level = known
            } else {
                throw Unusable(
                    "\(shown(word)) is neither a format (text, json) nor a level (debug, info, notice, warning, error)."
                )
            }
        }
        self.init(format: format, level: level)
    }
}

extension EncryptionKey {
    /// `id:base64,…`; empty parts do not count.
    static func list(_ text: String) throws(Unusable) -> [EncryptionKey] {
        var keys: [EncryptionKey] = []
        for part in text.split(separator: ",").map({ $0.filter { !$0.isWhitespace } }) where !part.isEmpty {
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false)
            guard pieces.count == 2, let id = pieces.first, ProviderName.isSlug(String(id)) else {
                throw Unusable("key \(keys.count + 1) is not id:base64. Make one with: patchbay vault key")
            }
            guard let bytes = Base64.decode(Array(pieces[1].utf8)) else {
                throw Unusable("key \(id) is not base64. Make one with: patchbay vault key")
            }
            guard bytes.count == 32 else {
                throw Unusable(
                    "key \(id) must be 32 bytes in base64; it has \(bytes.count). Make one with: patchbay vault key")
            }
            guard !keys.contains(where: { $0.id == id }) else { throw Unusable("two keys have the id \(id).") }
            keys.append(EncryptionKey(id: String(id), secret: Secret(bytes)))
        }
        return keys
    }
}
