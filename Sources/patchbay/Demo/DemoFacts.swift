import Foundation
import Kit

/// What has happened in a demo, as far as its checklist asks. Kept over starts.
struct DemoFacts: Sendable, Codable, Equatable {
    struct Payment: Sendable, Codable, Equatable {
        let event: String
        let who: String
        let why: String?
        let at: String
    }
    struct Opened: Sendable, Codable, Equatable {
        let event: String
        let at: String
    }
    struct Break: Sendable, Codable, Equatable {
        let from: Timestamp
        var until: Timestamp?
        var failed = 0
        var delivered = 0
    }
    struct Killed: Sendable, Codable, Equatable {
        let at: String
        let acknowledged: Int
        let found: Int
        let downMilliseconds: Int
    }
    struct Month: Sendable, Codable, Equatable {
        let at: String
        let ran: Int
    }

    var payment: Payment?
    var opened: Opened?
    var broken: Break?
    var killed: Killed?
    var month: Month?

    /// Whether the retries were watched to their end.
    var isRetried: Bool { broken.map { $0.failed > 0 && $0.delivered > 0 } ?? false }

    var json: JSON {
        .object([
            JSONMember(
                "payment",
                payment.map {
                    ["event": .string($0.event), "who": .string($0.who), "why": JSON($0.why), "at": .string($0.at)]
                } ?? .null),
            JSONMember(
                "opened", opened.map { ["event": .string($0.event), "at": .string($0.at)] } ?? .null),
            JSONMember(
                "broken",
                broken.map {
                    [
                        "at": .string($0.from.rfc3339), "until": JSON($0.until?.rfc3339), "failed": JSON($0.failed),
                        "delivered": JSON($0.delivered),
                    ]
                } ?? .null),
            JSONMember(
                "killed",
                killed.map {
                    [
                        "at": .string($0.at), "acknowledged": JSON($0.acknowledged), "found": JSON($0.found),
                        "down_ms": JSON($0.downMilliseconds),
                    ]
                } ?? .null),
            JSONMember("month", month.map { ["at": .string($0.at), "ran": JSON($0.ran)] } ?? .null),
        ])
    }
}
