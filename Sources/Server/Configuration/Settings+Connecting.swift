import Generic
import Kit

extension Settings {
    /// Reads what platforms gave for connecting accounts, by the names that their descriptions say.
    mutating func readConnecting(_ values: SettingsValues) throws(BadSetting) {
        applicationName = values.text("PATCHBAY_APPLICATION_NAME").map { OutsideText.bounded($0, 64) }
        generic = try Self.generic(values, isDemo: isDemo)
        for platform in Providers.connectable(self) {
            let names = platform.oauth.settings
            let address =
                names.address.isEmpty ? nil : try values.secureURL(names.address, anyScheme: isDemo)
            // Where the same secret proves webhooks, there may be several while it is replaced: the first is new.
            let isList = platform is any WebhookSource
            let text = values.text(names.clientSecret).map { isList ? String($0.prefix { $0 != "," }) : $0 }
            let (id, secret) = (values.text(names.clientID), text.map { Secret($0) })
            if id != nil, secret == nil {
                throw BadSetting(names.clientSecret, "is not set, but \(names.clientID) is. Connecting needs both.")
            }
            guard id != nil || address != nil else { continue }
            clients[platform.about.id] = ClientSettings(id: id, secret: secret, address: address)
        }
    }

    /// Reads where platforms may fetch files from, by the names that their descriptions say.
    mutating func readOwnAddresses(_ values: SettingsValues) throws(BadSetting) {
        for publisher in Providers.publishers {
            guard let name = publisher.ownAddressesSetting, let text = values.text(name) else { continue }
            let places = text.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
            for place in places where !Self.isOwnAddress(place) {
                throw BadSetting(
                    name,
                    "\(OutsideText.bounded(place, 64)) is neither the beginning of an https address nor a domain. "
                        + "Examples: https://patchbay.example.com/v1/objects/ or example.com")
            }
            ownAddresses[publisher.about.id] = places
        }
    }

    private static func isOwnAddress(_ text: String) -> Bool {
        guard text.contains("://") else {
            // A name with a dot, as it would stand in an address.
            guard let url = try? OutsideURL("https://\(text)/"), case .name(let name) = url.host else { return false }
            return name == text && text.contains(".")
        }
        guard let url = try? OutsideURL(text), !text.contains("?"), !text.contains("#") else { return false }
        return url.scheme == .https || url.isOnThisMachine
    }

    private static func generic(_ values: SettingsValues, isDemo: Bool) throws(BadSetting) -> GenericOAuth? {
        guard let authorize = try place("OAUTH_AUTHORIZE_URL", values, isDemo) else { return nil }
        guard let token = try place("OAUTH_TOKEN_URL", values, isDemo) else {
            throw BadSetting("OAUTH_TOKEN_URL", "is not set, but OAUTH_AUTHORIZE_URL is. Connecting needs both.")
        }
        let scopes = values.text("OAUTH_SCOPES")?.split(whereSeparator: \.isWhitespace).map(String.init) ?? []
        let member = values.text("OAUTH_ACCOUNT_MEMBER") ?? "sub"
        var oauth = OAuth2(
            authorize: authorize, token: token, settings: GenericOAuth.settings,
            permissions: scopes.map { OAuth2.Permission($0, "") })
        oauth.revoke = try place("OAUTH_REVOKE_URL", values, isDemo)
        if let profile = try place("OAUTH_PROFILE_URL", values, isDemo) {
            oauth.profile = .init(profile, id: [member], name: ["name"])
        } else {
            oauth.accountMember = member
        }
        oauth.issuer = values.text("OAUTH_ISSUER")
        return GenericOAuth(
            name: OutsideText.bounded(values.text("OAUTH_NAME") ?? "OAuth 2", 64), documentation: authorize.host,
            oauth: oauth)
    }

    /// An address as it stands there: a slash at its end belongs to it.
    private static func place(
        _ name: String, _ values: SettingsValues, _ isDemo: Bool
    ) throws(BadSetting) -> OAuth2.Place? {
        guard let text = values.text(name), try values.secureURL(name, anyScheme: isDemo) != nil else { return nil }
        // After the two slashes of the scheme.
        let slashes = text.indices.filter { text[$0] == "/" || text[$0] == "?" }
        let end = slashes.count > 2 ? slashes[2] : text.endIndex
        return OAuth2.Place(String(text[..<end]), String(text[end...]))
    }
}
