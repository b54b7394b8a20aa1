/// A platform that sends secrets under names that do not say so: `access_token` does, and so does `client_secret`.
public protocol SecretNaming: Provider {
    /// Names of fields and headers whose values are never captured.
    var secretFields: [String] { get }
}
