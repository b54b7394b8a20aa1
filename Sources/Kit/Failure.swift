/// Why a call did not succeed, in the words that the engine acts on.
public struct Failure: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// Over a limit. Waiting helps; it is not counted as an attempt.
        case throttled(retryAfter: Duration?)
        /// The platform's fault, or nobody could be reached. Trying again later helps.
        case unavailable(retryAfter: Duration?)
        /// The key is not accepted.
        case unauthorized
        /// The key may not do this.
        case forbidden
        case notFound
        /// The request itself is wrong: sending it again is pointless.
        case refused
        /// An answer came that cannot be read.
        case garbled
    }

    /// Who must act before it can go on.
    public enum Actor: String, Sendable, CaseIterable {
        /// Nobody here: the platform, or time.
        case provider
        /// Whoever runs this server.
        case `operator`
        /// The owner of the account.
        case yourUser = "your_user"
        /// The application that asked for it.
        case you
    }

    /// What the call may have done at the platform although it failed.
    public enum Effect: Sendable, Equatable {
        /// It was refused before anything happened, or never arrived.
        case none
        /// It may have happened: it is not sent again unless that is safe.
        case possible
    }

    public let kind: Kind
    /// For the person who reads it: what happened and what to do. Never the platform's own text.
    public let message: String
    /// The platform's code, for its support desk.
    public let code: String?
    public let who: Actor
    public let effect: Effect
    /// The quota that is used up, by its name, where the platform says which; it holds until its window is over unless
    /// the platform says when.
    public let quota: String?

    /// - Parameters:
    ///   - who: nil for who usually must act on this kind.
    ///   - effect: nil for what usually is known of this kind.
    public init(
        _ kind: Kind, _ message: String, code: String? = nil, who: Actor? = nil, effect: Effect? = nil,
        quota: String? = nil
    ) {
        self.kind = kind
        self.message = message
        self.code = code
        self.who = who ?? kind.who
        self.effect = effect ?? kind.effect
        self.quota = quota
    }

    /// Whether the same call may succeed later without anyone doing anything.
    public var passes: Bool {
        switch kind {
        case .throttled, .unavailable, .garbled: true
        case .unauthorized, .forbidden, .notFound, .refused: false
        }
    }

    /// How long the platform asks to wait, where it says.
    public var retryAfter: Duration? {
        switch kind {
        case .throttled(let wait), .unavailable(let wait): wait
        case .unauthorized, .forbidden, .notFound, .refused, .garbled: nil
        }
    }
}

extension Failure.Kind {
    /// The word in tables, API and metrics.
    public var name: String {
        switch self {
        case .throttled: "throttled"
        case .unavailable: "unavailable"
        case .unauthorized: "unauthorized"
        case .forbidden: "forbidden"
        case .notFound: "not_found"
        case .refused: "refused"
        case .garbled: "garbled"
        }
    }

    fileprivate var who: Failure.Actor {
        switch self {
        case .throttled, .unavailable, .garbled: .provider
        case .unauthorized, .forbidden: .operator
        case .notFound, .refused: .you
        }
    }

    /// A platform's fault, or an answer that cannot be read, says nothing of what happened before it.
    fileprivate var effect: Failure.Effect {
        switch self {
        case .throttled, .unauthorized, .forbidden, .notFound, .refused: .none
        case .unavailable, .garbled: .possible
        }
    }
}

extension Answer {
    /// `Retry-After`: seconds, also with a fraction, rounded up; or a date (RFC 9110). What is past, longer than a
    /// day or unreadable counts as absent.
    public func retryAfter(at now: Timestamp) -> Duration? {
        guard let text = headers["Retry-After"] else { return nil }
        let seconds = Self.wholeSeconds(text) ?? Timestamp(httpDate: text).map { $0.seconds - now.seconds }
        guard let seconds, (1...86_400).contains(seconds) else { return nil }
        return .seconds(seconds)
    }

    private static func wholeSeconds(_ text: String) -> Int64? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ Int64(String($0) ?? "") }), whole >= 0, parts.count <= 2 else {
            return nil
        }
        guard let fraction = parts.dropFirst().first else { return whole }
        guard fraction.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        let (sum, overflow) = whole.addingReportingOverflow(fraction.allSatisfy { $0 == UInt8(ascii: "0") } ? 0 : 1)
        return overflow ? nil : sum
    }
}

extension Timestamp {
    /// `Sat, 28 Nov 2026 10:00:00 GMT`, the only form that servers write today (RFC 9110, 5.6.7).
    public init?(httpDate text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: parts[2]) else { return nil }
        let number = month + 1
        self.init(rfc3339: "\(parts[3])-\(number < 10 ? "0" : "")\(number)-\(parts[1])T\(parts[4])Z")
    }
}
