public import Kit
import ServiceLifecycle
import Synchronization

/// Serves documents on loopback for as long as something is done: keys of a platform that a tool plays.
public enum Stand {
    /// - Parameter documents: by path; everything else is not found.
    /// - Throws: `SandboxFault` where the port is somebody's; what `work` throws.
    public static func serving(
        _ documents: [String: KeyDocument], port: Int, while work: () async throws -> Void
    ) async throws {
        let (started, starting) = AsyncStream<Void>.makeStream()
        let http = SandboxHTTP(
            port: port, running: { _ in starting.yield() },
            respond: { request in
                guard let document = documents[request.path] else {
                    return SandboxAnswer(404, ["error": "There is nothing here."])
                }
                var answer = SandboxAnswer(200)
                answer.headers = [Field("Content-Type", document.contentType)]
                answer.body = document.body
                return answer
            })
        let group = ServiceGroup(services: [http], logger: .silent)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { starting.finish() }
                do { try await group.run() } catch {
                    throw SandboxFault("Port \(port) of 127.0.0.1 is taken: the keys cannot be served. Name another.")
                }
            }
            var iterator = started.makeAsyncIterator()
            if await iterator.next() != nil {
                do { try await work() } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                await group.triggerGracefulShutdown()
            }
            try await tasks.waitForAll()
        }
    }
}
