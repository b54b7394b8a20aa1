import Kit

/// Files that are pulled: only from verified beginnings of addresses, only from this machine.
/// Source: developers.tiktok.com/doc/content-posting-api-media-transfer-guide, "Pull from URL".
extension SimulatedTikTok {
    /// The loopback address that stands for one that shall be pulled.
    func pulled(_ text: String, _ books: TikTokBooks) throws(TikTokError) -> String {
        guard let url = try? OutsideURL(text) else {  // What is no address is told so.
            throw .params("The address of the file is missing or cannot be read.")
        }
        let isOwn = isLoopback(text)
        guard isOwn || url.scheme == .https else { throw .params("The address of the file must begin with https://.") }
        let prefixes = books.settings.verifiedPrefixes
        guard prefixes.contains(where: { Self.covers($0, text, url) }) else {
            throw TikTokError("url_ownership_unverified")
        }
        if isOwn { return text }
        guard case .name = url.host else { throw .params("The host of the file's address must be a name.") }
        // Without an origin there is nobody there, and the pull fails as it does when a host is down.
        return books.settings.pullOrigin.map { ($0.hasSuffix("/") ? String($0.dropLast()) : $0) + url.target } ?? ""
    }

    /// A prefix covers what begins with it, a domain all its names.
    private static func covers(_ known: String, _ text: String, _ url: OutsideURL) -> Bool {
        if known.contains("://") {
            return text.hasPrefix(known.hasSuffix("/") ? known : known + "/")
        }
        guard case .name(let name) = url.host, !isLoopback(text) else { return false }
        let domain = known.lowercased()
        return name == domain || name.hasSuffix("." + domain)
    }

    private static let videoTypes = ["video/mp4", "video/quicktime", "video/webm"]
    private static let photoTypes = ["image/jpeg", "image/webp"]

    func fetched(_ id: String, _ files: [FetchedFile], in world: World) {
        let books = TikTokBooks(world: world)
        guard var post = books.post(id), post.status == "PROCESSING_DOWNLOAD" else { return }
        let arePhotos = post.json.isOn("is_photos")
        post.uploaded = files.reduce(0) { $0 + $1.count }
        books.save(post)
        if arePhotos, files.contains(where: { $0.count > Self.photoMax }) {
            return books.fail(post, "picture_size_check_failed")
        }
        guard files.allSatisfy({ $0.status == 200 }) else {
            return books.fail(post, arePhotos ? "photo_pull_failed" : "video_pull_failed")
        }
        let types = arePhotos ? Self.photoTypes : Self.videoTypes
        guard files.allSatisfy({ file in types.contains { file.type.lowercased().hasPrefix($0) } }) else {
            return books.fail(post, "file_format_check_failed")
        }
        for _ in files { books.count("file.pulled") }
        books.received(post, hash: Self.hash(files))
    }

    private static func hash(_ files: [FetchedFile]) -> String {
        guard files.count > 1 else { return files.first?.hash ?? "" }
        var digest = ContentDigest()
        for file in files { digest.update(Array(file.hash.utf8)) }
        return digest.text
    }
}
