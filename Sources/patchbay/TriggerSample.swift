import Kit
import Sandbox
import Server
import Synchronization

/// A sample event of a platform, from the sandbox where it plays the platform, else from the platform's own folder.
struct TriggerSample {
    let type: String
    private let make: (UInt64, Timestamp, [(name: String, value: String)]) throws -> WebhookSample.Content

    static func all(of platform: String) -> [TriggerSample] {
        if let played = Sandbox.samples(of: platform) {
            return played.samples.map { sample in
                TriggerSample(type: sample.type) { seed, time, changes in
                    do throws(SandboxFault) {
                        return .json(try sample.event(seed: seed, at: time, changes: changes))
                    } catch { throw Fault("--add \(error)", code: 2) }
                }
            }
        }
        return Signing.samples(of: platform).map { sample in
            TriggerSample(type: sample.type) { seed, time, changes in
                try changed(sample.content(ingredients(seed, time)), changes)
            }
        }
    }

    static var platforms: [String] { Set(Sandbox.platformsWithSamples + Signing.sampled).sorted() }

    /// The request, without its signature.
    func draft(
        to url: String, seed: UInt64, at time: Timestamp, changes: [(name: String, value: String)]
    ) throws -> WebhookDraft {
        try make(seed, time, changes).draft(to: url)
    }

    private static func ingredients(_ seed: UInt64, _ time: Timestamp) -> WebhookSample.Ingredients {
        let generator = Mutex(SeededGenerator(state: seed))
        let draw: @Sendable (Int, [Character]) -> String = { count, alphabet in
            generator.withLock { generator in
                String((0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] })
            }
        }
        return WebhookSample.Ingredients(
            id: { $0 + draw(16, Array("abcdefghijkmnpqrstuvwxyz23456789")) },
            // No id of a platform begins with a nought.
            digits: { draw(1, Array("123456789")) + draw(max(0, $0 - 1), Array("0123456789")) }, at: time)
    }

    private static func changed(
        _ content: WebhookSample.Content, _ changes: [(name: String, value: String)]
    ) throws -> WebhookSample.Content {
        switch content {
        case .json(let json):
            return .json(try changes.reduce(json) { try $0.changed(at: path(of: $1.name), to: $1.value) })
        case .form(var fields):
            for change in changes {
                fields.removeAll { $0.name == change.name }
                fields.append(Field(change.name, change.value))
            }
            return .form(fields)
        case .xml:
            guard changes.isEmpty else {
                throw Fault("--add: this platform's samples are XML and stay as they are.", code: 2)
            }
            return content
        }
    }
}

extension TriggerSample {
    private static func path(of name: String) throws(Fault) -> [String] {
        do throws(SandboxFault) { return try Sample.path(of: name) } catch { throw Fault("--add \(error)", code: 2) }
    }
}

/// The same number, the same ids: SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
