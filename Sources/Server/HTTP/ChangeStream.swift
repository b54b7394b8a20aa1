import Engine
import Hummingbird
import Kit
import ServiceLifecycle

/// A live client: what it follows, as server-sent events, until it leaves, falls behind or the server stops.
struct ChangeStream: Sendable {
    /// Proxies close connections that say nothing.
    private static let silenceMax = Duration.seconds(15)

    let changes: ChangeSubscription
    let time: Pauses
    /// From 0 to 1: clients of a server that stops do not all come back in the same moment.
    let jitter: Double

    func write(to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(string: "retry: \(1000 + Int(jitter * 4000))\n\n"))
        let (events, out) = AsyncStream.makeStream(of: [UInt8].self)
        // One event at a time: a slow client holds up its subscription, which then knows that it is behind.
        let written = Bell()
        let producers = Task { [changes, time] in
            await cancelWhenGracefulShutdown {
                await withTaskGroup { group in
                    group.addTask { await Self.follow(changes, out, written) }
                    group.addTask { await Self.keepAlive(time, out) }
                    await group.next()
                    group.cancelAll()
                }
            }
            out.finish()
        }
        defer { producers.cancel() }
        for await event in events {
            try await writer.write(ByteBuffer(bytes: event))
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

    private static func keepAlive(_ time: Pauses, _ out: AsyncStream<[UInt8]>.Continuation) async {
        while !Task.isCancelled {
            do { try await time(silenceMax) } catch { return }
            out.yield(Array(":\n\n".utf8))
        }
    }
}

/// Waits; ends early with `CancellationError`.
typealias Pauses = @Sendable (Duration) async throws -> Void
