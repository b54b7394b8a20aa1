/// A platform that says what of it ends, and when.
public protocol Ageing: Provider {
    /// Only what the platform itself has announced.
    var endings: [Ending] { get }
}

/// Something of a platform that ends on a day, or has ended: a version, an endpoint, a metric, events, a field.
public struct Ending: Sendable, Equatable {
    /// What ends, and how its use is seen.
    public enum What: Sendable, Equatable {
        /// A version of the API, as paths begin with it: `v25.0`. Every call below it uses it.
        case version(String)
        /// Calls to a path, as the log of calls has it: `/2/users/{}/likes`, `**` at the end for any rest. A nil method
        /// or host stands for any.
        case endpoint(Outgoing.Method?, host: String? = nil, path: String)
        /// A number that is asked for at a path. What is asked for there is not kept, so that every call there counts:
        /// no fewer than use it.
        case metric(String, at: String)
        /// Events of these types, by the platform's names.
        case events([String])
        /// A member of these types' events. Each of them counts: no fewer than carry it.
        case field(String, of: [String])
    }

    /// Lower case, unique at the platform, stable: what is counted and told stands under it.
    public let id: String
    public let what: What
    /// The first day on which it is gone; nil where the platform names none.
    public let on: Day?
    /// Whether the platform names a span only, such as "about two years".
    public let isAbout: Bool
    /// What takes its place, and what to do, in a sentence.
    public let instead: String
    /// The platform's own page that says so.
    public let source: String

    public init(_ id: String, _ what: What, on: Day?, isAbout: Bool = false, instead: String, source: String) {
        self.id = id
        self.what = what
        self.on = on
        self.isAbout = isAbout
        self.instead = instead
        self.source = source
    }
}

extension Ending {
    /// A word: `version`, `endpoint`, `metric`, `events`, `field`.
    public var kind: String {
        switch what {
        case .version: "version"
        case .endpoint: "endpoint"
        case .metric: "metric"
        case .events: "events"
        case .field: "field"
        }
    }
    public static let kinds = ["version", "endpoint", "metric", "events", "field"]

    /// What ends, as the platform writes it: `v25.0`, `GET /2/users/{}/likes`, `impressions`.
    public var name: String {
        switch what {
        case .version(let version): version
        case .endpoint(let method, _, let path): method.map { "\($0.rawValue) \(path)" } ?? path
        case .metric(let name, _): name
        case .events(let types): types.joined(separator: ", ")
        case .field(let name, let types): "\(name) of \(types.joined(separator: ", "))"
        }
    }

    /// Whether a call uses it.
    ///
    /// - Parameter path: as the log of calls has it: a template.
    public func isUsed(byCall method: String, to host: String, _ path: String) -> Bool {
        switch what {
        case .version(let version): path.split(separator: "/").first.map(String.init) == version
        case .endpoint(let wanted, let place, let template):
            (wanted == nil || wanted?.rawValue == method) && (place == nil || place == host)
                && KnownPath.matches(template, path)
        case .metric(_, let template): KnownPath.matches(template, path)
        case .events, .field: false
        }
    }

    /// The types of events that use it; empty where calls do.
    public var types: [String] {
        switch what {
        case .events(let types), .field(_, let types): types
        case .version, .endpoint, .metric: []
        }
    }
}
