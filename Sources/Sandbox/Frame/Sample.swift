public import Kit
import Synchronization

/// A sample event of one type, whole and in the platform's newest shape.
public struct Sample: Sendable {
    /// The platform's own word: `invoice.paid`.
    public let type: String
    let make: @Sendable (Ingredients) -> JSON
    /// Where a change by name goes.
    var change: @Sendable (inout JSON, _ name: String, _ value: JSON) -> Void = { event, name, value in
        event.set(Sample.place(of: name), value)
    }

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
    public func event(seed: UInt64, at time: Timestamp, changes: [(name: String, value: String)] = []) -> JSON {
        var event = make(.drawn(from: Seed(value: seed), at: time))
        for said in changes { change(&event, said.name, JSON(said: said.value)) }
        return event
    }

    /// Where a change of this name belongs: `event.` reaches the event itself, everything else the object that it is
    /// about; a full stop goes deeper.
    static func place(of name: String) -> [String] {
        let parts = name.split(separator: ".").map(String.init)
        return parts.first == "event" ? Array(parts.dropFirst()) : ["data", "object"] + parts
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
