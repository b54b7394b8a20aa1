/// A provider whose paths are known, so that calls on a connection's behalf are counted and named by them.
public protocol PathKnowing: Provider {
    var paths: [KnownPath] { get }
}

/// A path of a platform's API, and what a call there takes.
public struct KnownPath: Sendable, Equatable {
    /// `/v2/video/list/`, with `{}` for a segment that is a value.
    public let template: String
    /// Whatever its body says.
    public let spends: [Spending]
    /// What it spends besides, by what a member of its body says.
    public let byBody: Choice?

    public init(_ template: String, spends: [Spending] = [], byBody: Choice? = nil) {
        self.template = template
        self.spends = spends
        self.byBody = byBody
    }

    /// A text in a JSON body that decides what a call spends.
    public struct Choice: Sendable, Equatable {
        public let member: String
        public let spends: [String: [Spending]]

        public init(_ member: String, _ spends: [String: [Spending]]) {
            self.member = member
            self.spends = spends
        }
    }

    /// What a call spends with this body. One that cannot be read, or says something else, spends all that it might.
    ///
    /// - Parameter body: nil where it is not known beforehand.
    public func spends(with body: [UInt8]?) -> [Spending] {
        guard let byBody else { return spends }
        let said = body.flatMap { try? JSON.parse($0) }?[byBody.member]?.text  // What is no JSON says nothing.
        if let said, let more = byBody.spends[said] { return spends + more }
        return spends + byBody.spends.sorted { $0.key < $1.key }.flatMap(\.value)
    }

    /// Whether a path, without its query, is one of these. A slash at the end makes no difference.
    public func matches(_ path: String) -> Bool { Self.matches(template, path) }

    public static func matches(_ template: String, _ path: String) -> Bool {
        let (wanted, given) = (template.split(separator: "/"), path.split(separator: "/"))
        if wanted.last == "**" {
            return given.count >= wanted.count - 1
                && zip(wanted.dropLast(), given).allSatisfy { $0 == "{}" || $0 == $1 }
        }
        return wanted.count == given.count && zip(wanted, given).allSatisfy { $0 == "{}" || $0 == $1 }
    }
}

extension Path {
    /// The path of a call on somebody's behalf, as it stands there; its template is the platform's own where it is
    /// known, else only its shape: what stands in it may be a person's name.
    public init(passedOn text: String, known: KnownPath?) {
        let path = text.prefix { $0 != "?" }
        let shape = path.split(separator: "/").prefix(16).map { Self.isVersion($0) ? String($0) : "{}" }
        self.init(text, template: known?.template ?? "/" + shape.joined(separator: "/"))
    }

    /// `v2`, `v25.0`.
    private static func isVersion(_ segment: Substring) -> Bool {
        segment.utf8.count <= 6 && segment.hasPrefix("v") && segment.utf8.count > 1
            && segment.dropFirst().utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
    }
}
