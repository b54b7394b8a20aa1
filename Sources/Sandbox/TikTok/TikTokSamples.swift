import Kit
import TikTok

/// The platform's own samples, as the sandbox sends them. Changes by name go into an event's `content`, `event.…` into
/// the event itself.
enum TikTokSamples {
    static let all: [Sample] = TikTok().samples.map { sample in
        Sample(
            type: sample.type,
            make: { with in
                let ingredients = WebhookSample.Ingredients(
                    id: with.id, digits: { digits($0, drawnFrom: with.id("")) }, at: with.at)
                // TikTok sends nothing else.
                guard case .json(let event) = sample.content(ingredients) else { return .object([]) }
                return event
            }, change: change)
    }

    /// The first is no nought: no id begins with one.
    private static func digits(_ count: Int, drawnFrom text: String) -> String {
        let drawn = text.utf8.map { $0 % 10 }
        let all = (0..<count).map { place in
            place == 0 ? drawn.first.map { $0 % 9 + 1 } ?? 1 : drawn.isEmpty ? 0 : drawn[place % drawn.count]
        }
        return all.map(String.init).joined()
    }

    @Sendable private static func change(
        _ event: inout JSON, _ name: String, _ value: JSON
    ) throws(SandboxFault) {
        let path = try Sample.path(of: name)
        if path.first == "event" { return event.set(Array(path.dropFirst()), value) }
        // Written by us; what a change has made unreadable begins anew.
        var content = (try? JSON.parse(event.text("content") ?? "{}")) ?? .object([])
        content.set(path, value)
        event.set("content", .string(String(decoding: content.bytes, as: UTF8.self)))
    }
}
