import Kit
public import Logging
import Store

/// What is counted and logged of deliveries: one line and one count each.
public struct GatewayMetrics: Sendable {
    private let metrics: Metrics
    private let logger: Logger

    public init(metrics: Metrics, logger: Logger) {
        self.metrics = metrics
        self.logger = logger
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
    func away(_ provider: String, _ verdict: String) {
        count(provider, verdict)
        logger.warning("delivery.not_kept", metadata: ["provider": "\(provider)", "code": "\(verdict)"])
    }

    private func count(_ provider: String, _ verdict: String) {
        metrics.count(
            "patchbay_deliveries_total", ["provider": provider, "verdict": verdict],
            help: "Webhook deliveries by platform and what became of them.")
    }
}
