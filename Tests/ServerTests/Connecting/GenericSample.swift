import Generic
import Kit

/// A platform that the settings describe.
enum GenericSample {
    static var generic: GenericOAuth {
        var oauth = OAuth2(
            authorize: .init("https://id.example.com", "/authorize"), token: .init("https://id.example.com", "/token"),
            settings: GenericOAuth.settings, permissions: [.init("read", "")])
        oauth.issuer = "https://id.example.com"
        oauth.accountMember = "open_id"
        return GenericOAuth(name: "Acme", documentation: "https://id.example.com", oauth: oauth)
    }
}
