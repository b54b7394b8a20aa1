import Engine
import Kit
import Store

/// A bound on what cannot be called off: who asked goes on, and it ends by itself. By the machine's own clock, for it
/// bounds how long somebody waits in fact.
struct Deadline: Sendable {
    let limit: Duration

    /// - Throws: what `work` throws; `StoreError.unavailable` when it takes longer than the limit.
    func of<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let (outcomes, out) = AsyncStream.makeStream(of: Result<Value, any Error>.self)
        Task {
            do { out.yield(.success(try await work())) } catch { out.yield(.failure(error)) }
        }
        let timer = Task { [limit] in
            do { try await TimeSource.system.sleep(limit) } catch { return }
            out.yield(.failure(StoreError.unavailable("it has not answered for \(limit.wholeSeconds) seconds")))
        }
        defer { timer.cancel() }
        for await outcome in outcomes { return try outcome.get() }
        throw CancellationError()
    }
}
