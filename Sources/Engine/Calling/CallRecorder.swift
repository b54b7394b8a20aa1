import Kit
public import Logging
public import Store
import Synchronization

/// Writes down every call, in sets, behind everything that matters.
public final class CallRecorder: Sendable {
    private let batcher: Batcher<CallRow, Void>
    private let waiting = Atomic(0)
    private let metrics: Metrics
    private let time: TimeSource
    private let logger: Logger

    public init(database: any Database, metrics: Metrics, time: TimeSource, logger: Logger) {
        self.metrics = metrics
        self.time = time
        self.logger = logger
        // A row is some 400 bytes; a minute of a thousand calls a second may wait for a busy disk.
        batcher = Batcher(
            "keep_calls", in: .maintenance, of: database,
            bounds: .init(waitingMax: 60_000, bytesMax: 32 << 20, atOnce: 200),
            weigh: { 512 + ($0.captured?.sealed.count ?? 0) },
            perform: { session, calls in
                try session.insert(calls)
                return calls.map { _ in }
            })
    }

    /// Counts a call and writes it down, or leaves that to whoever holds its line. Never waits.
    func note(_ call: CallRow, in lines: CallLines?) {
        metrics.count(
            "patchbay_calls_total", ["provider": call.provider, "outcome": call.outcome],
            help: "Calls to platforms by what came of them.")
        metrics.observe(
            "patchbay_call_duration_seconds", ["provider": call.provider], call.latency,
            help: "From a call's first byte to its answer's last.")
        // What was captured is sealed for the call's own id.
        if let lines, call.captured == nil { lines.add(call) } else { keep(call) }
    }

    /// Writes down what was counted.
    func keep(_ call: CallRow) {
        waiting.add(1, ordering: .relaxed)
        Task {
            defer { waiting.subtract(1, ordering: .relaxed) }
            do { try await batcher.submit(call) } catch {
                metrics.count("patchbay_calls_unrecorded_total", help: "Calls that could not be written down.")
                logger.warning("call.not_kept", metadata: ["call_id": "\(call.id)", "problem": "\(error)"])
            }
        }
    }

    /// Waits until all are on disk, ten seconds at most.
    public func drain() async {
        let began = time.uptime()
        while waiting.load(ordering: .relaxed) > 0, time.uptime() - began < .seconds(10) {
            do { try await time.sleep(.milliseconds(20)) } catch { return }
        }
    }
}
