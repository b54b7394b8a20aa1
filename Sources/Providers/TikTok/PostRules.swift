import Kit

/// What TikTok takes, checked before anything is sent.
/// Source: developers.tiktok.com/doc/content-posting-api-media-transfer-guide, …-reference-direct-post,
/// …-reference-photo-post, read 2026-05.
struct PostRules {
    static let videoBytesMax: Int64 = 4_000_000_000
    static let videoLongest = Duration.seconds(600)
    static let sides = 360...4096
    static let frameRates = 23.0...60.0
    static let captionMax = 2200
    static let photoTitleMax = 90
    static let descriptionMax = 4000
    static let photosMax = 35
    static let photoBytesMax: Int64 = 20_000_000
    /// H.264, H.265, VP8, VP9, as containers name them.
    static let codecs: Set<String> = [
        "avc1", "avc3", "hvc1", "hev1", "vp08", "vp09", "V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC", "V_VP8", "V_VP9",
    ]

    let post: Post

    var problems: [PostProblem] { media + texts + options }

    private func problem(_ field: String, _ message: String) -> [PostProblem] { [PostProblem(field, message)] }

    // MARK: Media

    private var media: [PostProblem] {
        guard !post.media.isEmpty else {
            return problem(
                "media", "TikTok publishes a video or photos. Add one video, or 1 to \(Self.photosMax) photos.")
        }
        if post.isPhotos { return photos }
        guard post.media.count == 1, let video = post.media.first else {
            return problem("media", "\(post.media.count) media with a video among them; TikTok takes one video alone.")
        }
        return self.video(video)
    }

    private var photos: [PostProblem] {
        var found: [PostProblem] = []
        if post.media.count > Self.photosMax {
            found += problem("media", "\(post.media.count) photos; TikTok takes \(Self.photosMax). Leave some out.")
        }
        for (index, photo) in post.media.enumerated() {
            switch photo.place {
            case .url(let url): found += address(url, "media[\(index)]")
            case .object: found += self.photo(photo, "media[\(index)]")
            }
        }
        return found
    }

    private func photo(_ medium: Post.Medium, _ field: String) -> [PostProblem] {
        guard let facts = medium.facts, let size = medium.size else { return problem(field, Self.noObject) }
        guard facts.kind == .jpeg || facts.kind == .webp else {
            return problem(field, "The file is \(facts.kind.words); TikTok takes photos as JPEG and WebP. Convert it.")
        }
        guard size <= Self.photoBytesMax else {
            return problem(field, "\(size) bytes; TikTok takes \(Self.photoBytesMax) of a photo. Make it smaller.")
        }
        return medium.address == nil ? problem(field, "TikTok fetches photos itself. \(Self.unreachable)") : []
    }

    private static let noObject = "There is no such object. Upload the file again."
    private static let unreachable =
        "For that, PATCHBAY_PUBLIC_URL must be verified for your app and stand in TIKTOK_VERIFIED_URLS; or give an "
        + "address on a domain that is verified."

    private func address(_ text: String, _ field: String) -> [PostProblem] {
        guard let url = try? OutsideURL(text), url.scheme == .https, case .name = url.host else {  // Said below.
            return isSandbox(text)
                ? [] : problem(field, "TikTok fetches from https addresses with a host name only. Use such a one.")
        }
        return []
    }
    /// Loopback, where only a sandbox can fetch from.
    private func isSandbox(_ text: String) -> Bool { text.hasPrefix("http://127.0.0.1:") }

    private func video(_ medium: Post.Medium) -> [PostProblem] {
        if case .url(let url) = medium.place { return address(url, "media[0]") }
        guard let facts = medium.facts, let size = medium.size else {
            return problem("media[0]", Self.noObject)
        }
        guard facts.kind.isVideo else {
            return problem("media[0]", "The file is \(facts.kind.words); TikTok takes MP4, MOV and WebM. Convert it.")
        }
        var found: [PostProblem] = []
        if size > Self.videoBytesMax {
            found += problem("media[0]", "\(size) bytes; TikTok takes \(Self.videoBytesMax). Make it smaller.")
        }
        if let duration = facts.duration, duration > Self.videoLongest {
            found += problem(
                "media[0]", "\(duration.components.seconds) s long; TikTok takes 600 s. Shorten it.")
        }
        for (name, side) in [("wide", facts.width), ("high", facts.height)] {
            guard let side, !Self.sides.contains(side) else { continue }
            found += problem("media[0]", "\(side) pixels \(name); TikTok takes 360 to 4096. Scale it.")
        }
        // Rounded: 59.94 and 23.976 are what cameras write.
        if let rate = facts.frameRate,
            !(Self.frameRates.lowerBound - 0.5...Self.frameRates.upperBound + 0.5).contains(rate)
        {
            found += problem(
                "media[0]", "\(Int(rate.rounded())) frames a second; TikTok takes 23 to 60. Convert it.")
        }
        if let codec = facts.codec, !Self.codecs.contains(codec) {
            found += problem(
                "media[0]", "The picture is coded as \(codec); TikTok takes H.264, H.265, VP8 and VP9. Convert it.")
        }
        if post.object == nil, medium.address == nil {
            found += problem("options.source", "TikTok cannot fetch it from this server. \(Self.unreachable)")
        }
        return found
    }

    // MARK: Words

    private var texts: [PostProblem] {
        func check(_ field: String, _ text: String?, _ most: Int) -> [PostProblem] {
            let count = text?.utf16.count ?? 0
            guard count > most else { return [] }
            return problem(field, "\(count) characters; TikTok takes \(most). Shorten it.")
        }
        guard !post.isPhotos else {
            return check("content.title", post.title, Self.photoTitleMax)
                + check("content.text", post.text, Self.descriptionMax)
        }
        if post.title != nil {
            return problem("content.title", "A TikTok video has one text. Put it into content.text.")
        }
        return check("content.text", post.text, Self.captionMax)
    }

    private var options: [PostProblem] {
        var found: [PostProblem] = []
        if post.isDirect, post.privacy == nil {
            found += problem(
                "options.privacy_level",
                "It must be chosen: one of \(TikTok.privacyLevels.joined(separator: ", ")), as far as the account "
                    + "offers it.")
        }
        if !post.isDirect {
            for name in ["privacy_level", "allow_comments", "allow_duet", "allow_stitch", "cover_ms"]
            where post.options[name] != nil {
                found += problem(
                    "options.\(name)", "In the inbox the account's owner chooses it. Leave it out, or publish directly."
                )
            }
        }
        if post.flag("brand_content"), post.privacy == "SELF_ONLY" {
            found += problem(
                "options.privacy_level", "Paid partnerships cannot be SELF_ONLY. Choose another, or no brand_content.")
        }
        if let index = post.options["cover_index"]?.integer, !post.media.indices.contains(Int(clamping: index)) {
            found += problem("options.cover_index", "There is no photo \(index). Count from 0.")
        }
        return found
    }
}

extension MediaFacts.Kind {
    fileprivate var words: String {
        switch self {
        case .jpeg: "a JPEG picture"
        case .png: "a PNG picture"
        case .webp: "a WebP picture"
        case .mp4, .mov, .webm: "a video"
        case .other: "no video"
        }
    }
}

/// A post as TikTok sees it.
extension Post {
    /// Photos: nothing that is known to be a video. Addresses are photos where there are several, or where the option
    /// says so; else the one is a video.
    var isPhotos: Bool {
        if options["media_type"]?.text == "photo" { return true }
        if media.contains(where: { $0.facts?.kind.isVideo == true }) { return false }
        return media.count > 1 || media.contains { $0.facts?.kind.isImage == true }
    }
    var isDirect: Bool { options["mode"]?.text != "inbox" }
    var privacy: String? { options["privacy_level"]?.text }
    func flag(_ name: String) -> Bool { options[name]?.boolean ?? false }
    /// Where TikTok fetches from.
    var urls: [String] { media.compactMap { if case .url(let url) = $0.place { url } else { $0.address } } }
    /// The file that is sent from here; nil where TikTok fetches.
    var object: (id: ID<ObjectKind>, size: Int64, facts: MediaFacts)? {
        guard options["source"]?.text != TikTok.sources.last, !isPhotos, let medium = media.first,
            case .object(let id) = medium.place, let size = medium.size,
            let facts = medium.facts
        else { return nil }
        return (id, size, facts)
    }
}
