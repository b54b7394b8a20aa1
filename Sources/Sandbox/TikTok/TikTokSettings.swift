import Kit

/// What can be set at the simulated TikTok. Nothing limits or disturbs anybody until it is.
struct TikTokSettings {
    let world: World

    var isAudited: Bool { isOn("audited") }
    var hasLimits: Bool { isOn("limits") }
    var dailyPosts: Int64 { whole("daily_posts") ?? 15 }
    var pendingShares: Int64 { whole("pending_shares") ?? 5 }
    /// For how long the former refresh token is taken still.
    var refreshGrace: Int64 { whole("refresh_grace_seconds") ?? 0 }
    var tokenErrorsAre200: Bool { isOn("token_errors_are_200") }
    var processing: Int64 { whole("processing_seconds") ?? 0 }
    var moderation: Int64 { whole("moderation_seconds") ?? 0 }
    /// After how long people finish drafts in their app; nil where they do not.
    var inboxFinish: Int64? { whole("inbox_finish_seconds") }
    /// How long after it is public a post is listed; nil for never.
    var listingDelay: Int64? {
        switch text("listing") {
        case "never": nil
        case "minute_late": 60
        default: 0
        }
    }
    var failReason: String? { text("fail_reason") }
    var initError: String? { text("init_error") }
    var creatorError: String? { text("creator_info_error") }
    var redirectURIs: [String] { texts("redirect_uris") }
    var verifiedPrefixes: [String] { texts("verified_prefixes") }
    var pullOrigin: String? { text("pull_origin") }
    var webhookURL: String? { text("webhook_url") }
    var signatureHeader: String { text("signature_header") ?? "TikTok-Signature" }
    var signedInAs: String? { text("signed_in_as") }
    var rangesCount: Bool { text("content_range") == "count" }
    var isAvailableFirst: Bool { isOn("available_before_complete") }

    private func value(_ name: String) -> JSON {
        Self.all.first { $0.name == name }.map { world.setting($0, of: SimulatedTikTok.name) } ?? .null
    }
    private func isOn(_ name: String) -> Bool { value(name).boolean ?? false }
    private func whole(_ name: String) -> Int64? { value(name).integer }
    private func text(_ name: String) -> String? { value(name).text }
    private func texts(_ name: String) -> [String] { (value(name).elements ?? []).compactMap(\.text) }

    private static let day: ClosedRange<Int64> = 0...86_400

    static let all: [PlatformSetting] = [
        .init(name: "audited", kind: .flag, usual: true, what: "Whether the app has passed TikTok's audit."),
        .init(
            name: "limits", kind: .flag, usual: false,
            what: "Rate limits: 600 a minute for each read, 6, 20 and 30 for posting, pending shares, posts a day."),
        .init(
            name: "daily_posts", kind: .whole(1...1000), usual: 15, what: "Posts a creator in 24 hours, with limits."),
        .init(
            name: "pending_shares", kind: .whole(1...1000), usual: 5,
            what: "Unfinished drafts in 24 hours, with limits."),
        .init(
            name: "refresh_grace_seconds", kind: .whole(day), usual: 300,
            what: "How long the former refresh token is taken after a refresh."),
        .init(
            name: "token_errors_are_200", kind: .flag, usual: true,
            what: "Errors of the token endpoint come with status 200."),
        .init(name: "processing_seconds", kind: .whole(day), usual: 3, what: "From the last byte to published."),
        .init(name: "moderation_seconds", kind: .whole(day), usual: 20, what: "From published to publicly available."),
        .init(
            name: "inbox_finish_seconds", kind: .whole(day), usual: .null,
            what: "When people finish drafts in their app; null: never by themselves."),
        .init(
            name: "listing", kind: .choice(["at_once", "minute_late", "never"]), usual: "at_once",
            what: "When a public post appears in the list of videos."),
        .init(
            name: "fail_reason", kind: .choice(TikTokError.failReasons), usual: .null,
            what: "Posts that are processed from now on fail so."),
        .init(
            name: "init_error", kind: .choice(TikTokError.ofInit), usual: .null, what: "Every init is refused so."),
        .init(
            name: "creator_info_error", kind: .choice(TikTokError.ofCreator), usual: .null,
            what: "What the creator's information says, with status 200."),
        .init(
            name: "redirect_uris", kind: .texts, usual: ["http://127.0.0.1:*/*", "http://localhost:*/*"],
            what: "Where the consent may lead back to, compared exactly; * only in loopback ones.",
            problem: TikTokRedirects.problem),
        .init(
            name: "verified_prefixes", kind: .texts, usual: [],
            what: "Beginnings of addresses that files may be pulled from."),
        .init(
            name: "pull_origin", kind: .text, usual: .null,
            what: "The loopback origin that stands for the hosts of pulled addresses.",
            problem: { isLoopback($0) ? nil : "must be an address of loopback, such as http://127.0.0.1:9000." }),
        .init(
            name: "webhook_url", kind: .text, usual: .null, what: "The app's callback address.",
            problem: { isLoopback($0) ? nil : "must be an address of loopback: the sandbox sends nowhere else." }),
        .init(
            name: "signature_header", kind: .choice(["TikTok-Signature", "Tiktok-Signature"]),
            usual: "TikTok-Signature", what: "How the header of webhooks is written."),
        .init(
            name: "signed_in_as", kind: .text, usual: .null,
            what: "A user name: consent is given for this account without a page, as for a session that has given it."),
        .init(
            name: "content_range", kind: .choice(["last", "count"]), usual: "last",
            what: "Whether answers of uploads name the last byte that is there, or how many are there."),
        .init(
            name: "available_before_complete", kind: .flag, usual: false,
            what: "The webhook that a post is available comes before the one that it is complete."),
    ]
}

/// Which addresses a consent may lead back to.
/// Source: developers.tiktok.com/doc/login-kit-web and login-kit-desktop.
enum TikTokRedirects {
    static func problem(_ text: String) -> String? {
        guard text.utf8.count < 512 else { return "must be shorter than 512 characters." }
        guard !text.contains("?"), !text.contains("#") else { return "must have no query and no fragment." }
        if isWild(text) { return nil }
        guard let url = try? OutsideURL(text), !text.contains("*") else {  // What is no address is told so.
            return "must be an address; * may stand in those of loopback only."
        }
        return url.scheme == .https || isLoopback(text) ? nil : "must begin with https://, but for loopback."
    }

    static func isRegistered(_ address: String, in registered: [String]) -> Bool {
        guard problem(address) == nil else { return false }
        return registered.contains { known in
            isWild(known) ? isLoopback(address) && address.isLike(known) : known.hasSameBytes(as: address)
        }
    }

    private static func isWild(_ text: String) -> Bool {
        text.contains("*")
            && ["http://127.0.0.1:", "http://localhost:", "https://127.0.0.1:", "https://localhost:"]
                .contains { text.hasPrefix($0) }
    }
}
