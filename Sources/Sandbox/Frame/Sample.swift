public import Kit
import Synchronization

/// A sample event of one type, whole and in the platform's newest shape.
public struct Sample: Sendable {
    /// The platform's own word: `invoice.paid`.
    public let type: String
    let make: @Sendable (Ingredients) -> JSON
    /// Where a change by name goes.
    var change: Change = { event, name, value throws(SandboxFault) in
        let path = try Sample.path(of: name)
        event.set(path.first == "event" ? Array(path.dropFirst()) : ["data", "object"] + path, value)
    }

    /// Puts a value into an event by its name: `event.` reaches the event itself, everything else what it is about; a
    /// full stop goes deeper.
    typealias Change = @Sendable (inout JSON, _ name: String, _ value: JSON) throws(SandboxFault) -> Void

    /// What a sample is made with.
    struct Ingredients: Sendable {
        /// Draws an id with a prefix.
        let id: @Sendable (String) -> String
        /// When it happened.
        let at: Timestamp

        static func drawn(from seed: Seed, at time: Timestamp) -> Self {
            let count = Atomic<UInt64>(0)
            return Self(
                id: { $0 + seed.text(24, count.add(1, ordering: .relaxed).newValue, of: "sample") }, at: time)
        }
    }

    /// The event, with changes by name: `customer=cus_1` in the object that it is about, `event.id=…` in itself.
    /// - Parameters:
    ///   - seed: the same seed, the same ids.
    ///   - time: when it happened.
    /// - Throws: what `path(of:)` throws.
    public func event(
        seed: UInt64, at time: Timestamp, changes: [(name: String, value: String)] = []
    ) throws(SandboxFault) -> JSON {
        var event = make(.drawn(from: Seed(value: seed), at: time))
        for said in changes { try change(&event, said.name, JSON(said: said.value)) }
        return event
    }

    /// Deeper than any event of a platform. Each level is a copy and a call of its own.
    private static let levelsMax = 32

    /// The names on the way to what a change is about, `items.0.price` or `customer`.
    /// - Throws: where there are more levels than any event has.
    public static func path(of name: String) throws(SandboxFault) -> [String] {
        let parts = name.split(separator: ".", maxSplits: levelsMax).map(String.init)
        guard parts.count <= levelsMax else {
            throw SandboxFault(
                "\(OutsideText.bounded(name, 80)): goes deeper than \(levelsMax) levels. Name a member further up.")
        }
        return parts
    }
}

extension Sandbox {
    /// What can be sent as this platform: its samples and how they are signed. Nil for a platform without any.
    public static func samples(of platform: String) -> (samples: [Sample], scheme: WebhookScheme)? {
        Platforms.all.first { $0.id == platform }.map { ($0.samples, $0.webhooks) }
    }
    /// The platforms that have samples.
    public static var platformsWithSamples: [String] { Platforms.all.map(\.id) }
}
