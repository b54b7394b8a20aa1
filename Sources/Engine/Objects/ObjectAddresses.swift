public import Kit
import Store

/// Addresses of ours under which platforms fetch objects for a publication: signed, for one target, good while it is on
/// its way and not for longer than the platform needs.
public struct ObjectAddresses: Sendable {
    /// Clocks differ, and the first byte takes its time.
    static let slack = Duration.minutes(15)

    private let base: String
    private let signer: SignedAddresses
    private let own: [String: [String]]

    /// - Parameters:
    ///   - base: of this server, as platforms reach it.
    ///   - own: by platform, what it believes to be the operator's: beginnings of addresses, and domains.
    public init(base: String, signer: SignedAddresses, own: [String: [String]]) {
        self.base = base
        self.signer = signer
        self.own = own
    }

    /// Where an object lies, without what lets anybody in; nil where a platform would not fetch from here.
    public func place(of object: ID<ObjectKind>, at provider: String) -> String? {
        let address = base + Self.path(object)
        return (own[provider] ?? []).contains { Self.covers($0, address) } ? address : nil
    }

    /// The same for one target until a moment.
    func address(
        of object: ID<ObjectKind>, at provider: String, for target: ID<TargetKind>, until end: Timestamp
    ) -> String? {
        guard let place = place(of: object, at: provider) else { return nil }
        let query = "expires=\(end.microseconds / 1_000_000)&by=\(target)"
        return signer.signed("GET", Self.path(object), query: query).map { "\(place)?\($0)" }
    }

    private static func path(_ object: ID<ObjectKind>) -> String { "/v1/objects/\(object)/content" }

    /// A beginning covers what begins with it, up to a slash; a domain all addresses of its names.
    private static func covers(_ known: String, _ address: String) -> Bool {
        guard !known.contains("://") else { return address.hasPrefix(known.hasSuffix("/") ? known : known + "/") }
        guard let url = try? OutsideURL(address), case .name(let name) = url.host else { return false }
        return name == known || name.hasSuffix("." + known)
    }
}

extension Publishing {
    /// With where the platform finds what it fetches: for rules, which ask only whether it can.
    public func placed(_ post: Post, at provider: String) -> Post {
        addressed(post, at: provider) { addresses, object in addresses.place(of: object, at: provider) }
    }

    /// The same with addresses that let the platform in, for as long as it may take.
    func addressed(_ post: Post, for target: TargetRow, at now: Timestamp) -> Post {
        guard let within = publisher(target.provider)?.fetching(post) else { return post }
        return addressed(post, at: target.provider) { addresses, object in
            addresses.address(
                of: object, at: target.provider, for: target.id, until: now + within + ObjectAddresses.slack)
        }
    }

    private func addressed(
        _ post: Post, at provider: String, _ address: (ObjectAddresses, ID<ObjectKind>) -> String?
    ) -> Post {
        guard let addresses, publisher(provider)?.fetching(post) != nil else { return post }
        var post = post
        for index in post.media.indices {
            guard case .object(let id) = post.media[index].place, post.media[index].size != nil else { continue }
            post.media[index].address = address(addresses, id)
        }
        return post
    }

    /// How the media of a post come to a platform.
    public func source(of post: Post, at provider: String) -> String {
        publisher(provider)?.fetching(post) == nil ? "FILE_UPLOAD" : "PULL_FROM_URL"
    }
}
