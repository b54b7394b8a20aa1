import Kit
public import Logging
import Store
import Synchronization

/// What is counted and logged of deliveries: one line and one count each.
public struct GatewayMetrics: Sendable {
    private let metrics: Metrics
    private let logger: Logger
    private let uptime: @Sendable () -> Duration
    private let absences = Absences()

    public init(
        metrics: Metrics, logger: Logger, uptime: @escaping @Sendable () -> Duration = TimeSource.system.uptime
    ) {
        self.metrics = metrics
        self.logger = logger
        self.uptime = uptime
    }

    func kept(_ provider: String, arrival: Arrival, kept: Kept) {
        let verdict = arrival.events.isEmpty ? "unreadable" : kept.new > 0 ? "accepted" : "duplicate"
        count(provider, verdict)
        logger.info(
            "delivery.kept",
            metadata: [
                "delivery_id": "\(arrival.id)", "provider": "\(provider)", "verdict": "\(verdict)",
                "event_id": "\(arrival.events.first.map { $0.id.text } ?? "")", "new": "\(kept.new)",
            ])
    }
    func refused(_ provider: String, _ forged: Forged) {
        count(provider, "rejected")
        metrics.count(
            "patchbay_rejections_total", ["provider": provider, "reason": forged.code],
            help: "Deliveries that were not believed, by reason.")
        logger.info("delivery.refused", metadata: ["provider": "\(provider)", "code": "\(forged.code)"])
    }
    /// Not logged: this is what a flood meets.
    func limited(_ provider: String, _ bound: FailureLimits.Bound) {
        count(provider, "limited")
        metrics.count(
            "patchbay_rejections_limited_total", ["provider": provider, "by": bound.rawValue],
            help: "Deliveries that were not believed and not looked into, by whose limit was reached.")
    }
    /// - Parameter refusal: nil for an answer.
    func shook(_ provider: String, _ refusal: Handshake.Refusal?) {
        metrics.count(
            "patchbay_handshakes_total", ["provider": provider, "verdict": refusal == nil ? "answered" : "refused"],
            help: "Platforms that asked whether an address is ours, and what they were told.")
        guard let refusal else {
            return logger.info("handshake.answered", metadata: ["provider": "\(provider)"])
        }
        // A browser that looks at the address is nobody's fault.
        let level: Logger.Level = if case .incomplete = refusal { .info } else { .warning }
        logger.log(
            level: level, "handshake.refused", metadata: ["provider": "\(provider)", "reason": "\(refusal.reason)"])
    }
    /// Each is counted; a line is written once in ten seconds, for what the platforms send meanwhile is a flood.
    func away(_ provider: String, _ verdict: String, because error: (any Error)? = nil) {
        count(provider, verdict)
        guard let silent = absences.mayTell(of: "\(provider) \(verdict)", at: uptime()) else { return }
        var fields: Logger.Metadata = ["provider": "\(provider)", "code": "\(verdict)"]
        if let error { fields["reason"] = "\(Self.reason(error))" }
        if silent > 0 { fields["more"] = "\(silent)" }
        logger.warning("delivery.not_kept", metadata: fields)
    }

    /// In words that hold nothing of the delivery: what an engine says of a value may quote it.
    private static func reason(_ error: any Error) -> String {
        switch error as? StoreError {
        case .unholdable: "The database cannot hold a value."
        case let known?: OutsideText.bounded("\(known)", 300)
        case nil: "\(type(of: error))"
        }
    }

    private func count(_ provider: String, _ verdict: String) {
        metrics.count(
            "patchbay_deliveries_total", ["provider": provider, "verdict": verdict],
            help: "Webhook deliveries by platform and what became of them.")
    }
}

/// When a line about deliveries that were not kept was written last, and how many there were since.
private final class Absences: Sendable {
    private static let pace = Duration.seconds(10)
    private let lines = Mutex<[String: (at: Duration, silent: Int)]>([:])

    /// How many were not told of since the last line; nil while another one would be too many.
    func mayTell(of what: String, at now: Duration) -> Int? {
        lines.withLock { lines in
            guard let last = lines[what], now - last.at < Self.pace else {
                defer { lines[what] = (now, 0) }
                return lines[what]?.silent ?? 0
            }
            lines[what]?.silent += 1
            return nil
        }
    }
}
