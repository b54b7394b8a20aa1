/// A third-party platform: a value that describes itself, and a few pure functions.
///
/// A provider opens no socket, reads no clock and keeps no state. What it can do it says by conforming to a
/// capability, such as `WebhookSource`.
public protocol Provider: Sendable {
    var about: About { get }
}

/// Who a provider is.
public struct About: Sendable, Equatable {
    /// Lower case, stable for ever: in addresses, tables and settings.
    public let id: String
    /// As the platform writes itself.
    public let name: String
    /// The version of the platform's API that this code was written against.
    public let version: String
    /// Address of the platform's own documentation.
    public let documentation: String

    public init(id: String, name: String, version: String, documentation: String) {
        self.id = id
        self.name = name
        self.version = version
        self.documentation = documentation
    }
}

/// Sends us webhooks.
public protocol WebhookSource: Provider {
    var webhooks: WebhookScheme { get }
}
