import Engine
import Hummingbird
import Kit
import ServiceLifecycle

/// A live client: what it follows, as server-sent events, until it leaves, falls behind, takes nothing any more or the
/// server stops.
struct ChangeStream: Sendable {
    /// Proxies close connections that say nothing. A client that takes nothing for so long is closed, too.
    private static let silenceMax = Duration.seconds(15)

    let changes: ChangeSubscription
    let time: Pauses
    /// From 0 to 1: clients of a server that stops do not all come back in the same moment.
    let jitter: Double
    /// Ends the connection, whatever waits to be written to it.
    let hangUp: @Sendable () -> Void

    func write(to writer: inout any ResponseBodyWriter) async throws {
        let pulse = ClientPulse()
        let (events, out) = AsyncStream.makeStream(of: [UInt8].self)
        // One event at a time: a slow client holds up its subscription, which then knows that it is behind.
        let written = Bell()
        let producers = Task { [changes, time, hangUp] in
            await cancelWhenGracefulShutdown {
                await withTaskGroup { group in
                    group.addTask { await Self.follow(changes, out, written) }
                    group.addTask {
                        if await pulse.stops(at: Self.silenceMax, on: time, tick: { out.yield(Array(":\n\n".utf8)) }) {
                            hangUp()
                        }
                    }
                    await group.next()
                    group.cancelAll()
                }
            }
            out.finish()
        }
        defer { producers.cancel() }
        try await pulse.write(Array("retry: \(1000 + Int(jitter * 4000))\n\n".utf8), to: &writer)
        for await event in events {
            try await pulse.write(event, to: &writer)
            written.ring()
        }
        try await writer.finish(nil)
    }

    private static func follow(
        _ changes: ChangeSubscription, _ out: AsyncStream<[UInt8]>.Continuation, _ written: Bell
    ) async {
        do {
            for try await change in changes {
                let seen = written.rings
                out.yield(change.serverSentEvent)
                await written.wait(since: seen)
            }
        } catch {
            out.yield(Array(": what you missed is no longer kept, or the database is away\n\n".utf8))
        }
    }
}

/// Waits; ends early with `CancellationError`.
typealias Pauses = @Sendable (Duration) async throws -> Void
