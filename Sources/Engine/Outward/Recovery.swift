public import Kit
public import Store

extension Endpoints {
    /// What an endpoint is sent again, and how fast.
    public struct Recovery: Sendable, Equatable {
        public enum What: String, Sendable, CaseIterable {
            /// Tried in that time and failed, and never delivered.
            case failed
            /// Made in that time and never delivered, for whatever reason.
            case missing
            /// Made in that time, delivered or not; the receiver knows a repetition by its id.
            case all
        }
        public let what: What
        public let time: RecoveredTime
        public let pace: Pace?

        public init(_ what: What, in time: RecoveredTime, pace: Pace? = nil) {
            (self.what, self.time, self.pace) = (what, time, pace)
        }
        public init(_ what: What, since: Timestamp) { self.init(what, in: RecoveredTime(since: since)) }

        /// Reads what requests, runs and jobs write:
        ///
        ///     {"missing_since": "2026-11-28T10:00:00Z", "until": "2026-11-28T11:00:00Z", "per_second": 5}
        ///
        /// Nil where none of the three times stands there, or more than one.
        ///
        /// - Parameter now: when the pace begins, where the JSON does not say.
        public init?(_ json: JSON, at now: Timestamp) {
            func time(_ name: String) -> Timestamp? { json[name]?.text.flatMap(Timestamp.init(rfc3339:)) }
            let named = What.allCases.compactMap { what in time(Self.name(what)).map { (what, $0) } }
            guard let (what, since) = named.first, named.count == 1 else { return nil }
            self.init(
                what, in: RecoveredTime(since: since, until: time("until")),
                pace: json["per_second"]?.integer.map { Pace(perSecond: $0, from: time("from") ?? now) })
        }

        public var json: JSON {
            let members: [JSONMember?] = [
                JSONMember(Self.name(what), JSON(time.since)), time.until.map { JSONMember("until", JSON($0)) },
                pace.map { JSONMember("per_second", JSON($0.perSecond)) },
                pace.map { JSONMember("from", JSON($0.from)) },
            ]
            return .object(members.compactMap { $0 })
        }

        public static func name(_ what: What) -> String { what.rawValue + "_since" }
    }
}

/// So many a second, from a moment on.
public struct Pace: Sendable, Equatable {
    public static let perSecondMax: Int64 = 1000

    public let perSecond: Int64
    public let from: Timestamp

    /// - Parameter perSecond: 1 to `perSecondMax`; others are brought there.
    public init(perSecond: Int64, from: Timestamp) {
        self.perSecond = min(max(perSecond, 1), Self.perSecondMax)
        self.from = from
    }

    /// When a number's turn is, counted from 0.
    public func due(_ number: Int) -> Timestamp {
        from
            + .microseconds(Int64(clamping: number).multipliedReportingOverflow(by: 1_000_000).partialValue / perSecond)
    }
}
