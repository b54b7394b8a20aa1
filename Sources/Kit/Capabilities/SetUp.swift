/// How a platform is told to send to us, as its set-up page shows it. `{address}` stands for this server's webhook
/// address wherever it occurs, `{server}` for its own.
public struct SetUp: Sendable {
    /// Something that a person does, in order.
    public struct Step: Sendable {
        public let title: String
        /// With `code` between backticks.
        public let text: String
        /// To paste into a terminal, one block each.
        public let commands: [String]

        public init(_ title: String, _ text: String, commands: [String] = []) {
            self.title = title
            self.text = text
            self.commands = commands
        }
    }

    /// A setting of this server that belongs to the platform.
    public struct Setting: Sendable {
        public let name: String
        public let what: String
        /// Without it the webhook address is off.
        public let isNeeded: Bool

        public init(_ name: String, _ what: String, isNeeded: Bool = false) {
            self.name = name
            self.what = what
            self.isNeeded = isNeeded
        }
    }

    public let steps: [Step]
    /// The types to select at the platform, by the platform's names; empty where it sends all.
    public let events: [String]
    public let settings: [Setting]
    /// The platform's own page about it.
    public let documentation: String

    public init(_ steps: [Step], events: [String], settings: [Setting], documentation: String) {
        self.steps = steps
        self.events = events
        self.settings = settings
        self.documentation = documentation
    }

    /// With the server's own addresses in place: for webhooks, for people who come back (`{redirect}`), and what
    /// others begin with.
    public func naming(address: String, redirect: String = "", server: String = "") -> SetUp {
        func named(_ text: String) -> String {
            text.replacing("{address}", with: address).replacing("{redirect}", with: redirect)
                .replacing("{server}", with: server)
        }
        return SetUp(
            steps.map { Step(named($0.title), named($0.text), commands: $0.commands.map(named)) }, events: events,
            settings: settings.map { Setting($0.name, named($0.what), isNeeded: $0.isNeeded) },
            documentation: documentation)
    }
}

/// A platform that says how it is set up.
public protocol SelfExplaining: Provider {
    var setUp: SetUp { get }
}
