public import Kit

/// A platform of the operator's own: any OAuth 2 server, described by settings.
public struct GenericOAuth: Provider, Connectable {
    public let about: About
    public let oauth: OAuth2

    /// - Parameters:
    ///   - name: as people see it.
    ///   - documentation: the issuer, or the authorize page.
    public init(name: String, documentation: String, oauth: OAuth2) {
        about = About(id: "generic", name: name, version: "OAuth 2", documentation: documentation)
        self.oauth = oauth
    }

    /// The settings of its app credentials. It has no other address: each of its addresses is a setting of its own.
    public static let settings = OAuth2.SettingNames(
        clientID: "OAUTH_CLIENT_ID", clientSecret: "OAUTH_CLIENT_SECRET", address: "")
}
