import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1

/// A change of the feed as the stream brings it.
struct FollowedChange {
    let position: Int64
    let json: JSON
    /// As it came, for what must not change on the way.
    let bytes: [UInt8]
}

/// The change feed of a server, followed from a position on: it connects again for as long as it takes.
struct ChangeFollower {
    let server: APIClient
    /// Patterns with commas between; nil for everything.
    let types: String?

    /// Gives each change in order, until the task is cancelled.
    ///
    /// - Throws: `Fault` when the server refuses for good: the key is revoked, the position is no longer kept.
    func follow(after position: Int64, _ take: (FollowedChange) async throws -> Void) async throws {
        var position = position
        var failures = 0
        while !Task.isCancelled {
            do {
                try await connection(after: position) { change in
                    try await take(change)
                    (position, failures) = (change.position, 0)
                }
            } catch let fault as Fault where fault.code != 3 {
                throw fault
            } catch {
                if Task.isCancelled { return }
            }
            if failures == 1 { note("The server is away; waiting for it.") }
            failures += 1
            try? await Task.sleep(for: Patience.pause(after: failures))  // Cancelled: the loop ends.
        }
    }

    /// One connection, until the server ends it.
    private func connection(after position: Int64, _ take: (FollowedChange) async throws -> Void) async throws {
        var stream = ServerSentEvents()
        let answer = try await server.stream(
            "/v1/changes/stream", query: [("types", types)],
            headers: [("Last-Event-ID", String(position)), ("Accept", "text/event-stream")])
        for try await chunk in answer {
            for message in try stream.read(chunk.readableBytesView) {
                guard let position = message.id.flatMap({ Int64($0) }), let json = try? JSON.parse(message.data) else {
                    throw Fault("\(server.base) sends a stream that is not the feed of a Patchbay.", code: 1)
                }
                try await take(FollowedChange(position: position, json: json, bytes: message.data))
                if Task.isCancelled { return }
            }
        }
    }
}

/// How long to wait before something is tried again.
enum Patience {
    /// A quarter of a second, doubling to ten.
    static func pause(after failures: Int) -> Duration {
        .milliseconds(min(10_000, 125 << min(failures, 10)))
    }
}
