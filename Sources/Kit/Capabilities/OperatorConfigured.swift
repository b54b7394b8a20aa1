/// A platform whose webhooks the operator's settings configure.
public protocol OperatorConfigured: WebhookSource {
    /// What these settings make of the platform's webhooks. An address whose secrets prove nothing is off.
    static func routes(_ settings: OperatorSettings) throws(BadValue) -> [WebhookRoute]
}

/// A webhook address that is on: how its deliveries are proven, and with what.
public struct WebhookRoute: Sendable {
    /// What stands behind the platform's id in the address; nil for the platform's only one.
    public let name: String?
    public let scheme: WebhookScheme
    public let secrets: [WebhookSecret]
    public var isOn: Bool { secrets.contains(where: \.proves) }

    public init(_ scheme: WebhookScheme, _ secrets: [WebhookSecret], name: String? = nil) {
        self.name = name
        self.scheme = scheme
        self.secrets = secrets
    }
}

/// The operator's settings by name, as a platform reads them.
public struct OperatorSettings {
    private let value: (String) -> String?

    /// - Parameter value: nil for what is not set.
    public init(_ value: @escaping (String) -> String?) { self.value = value }

    public func text(_ name: String) -> String? { value(name) }

    /// The secrets in a setting, commas between; none where it is not set.
    public func secrets(_ name: String, written writing: WebhookSecret.Writing = .text) throws(BadValue)
        -> [WebhookSecret]
    {
        guard let text = text(name) else { return [] }
        do { return try WebhookSecret.list(text, written: writing) } catch { throw BadValue(name, error.reason) }
    }

    /// One of these words; nil where it is not set.
    public func word<Word: RawRepresentable & CaseIterable>(_ name: String, of: Word.Type) throws(BadValue) -> Word?
    where Word.RawValue == String {
        guard let text = text(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            let known = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw BadValue(name, "\"\(OutsideText.bounded(text, 64))\" is none of \(known).")
        }
        return word
    }
}

/// A setting that cannot be used. Never holds a secret.
public struct BadValue: Error, Sendable, Equatable {
    public let name: String
    /// Completes the line that begins with the name.
    public let reason: String

    public init(_ name: String, _ reason: String) {
        self.name = name
        self.reason = reason
    }
}
