import Kit

/// Something that is on its way to somebody's profile or inbox: what is kept of it, by name.
struct TikTokPost {
    var json: JSON
    static let kind = "tiktok.post"
    static let everyone = "PUBLIC_TO_EVERYONE"
    static let selfOnly = "SELF_ONLY"

    init(_ json: JSON) { self.json = json }

    var id: String { json.text("id") ?? "" }
    var openID: String { json.text("open_id") ?? "" }
    var status: String {
        get { json.text("status") ?? "" }
        set { json.set("status", .string(newValue)) }
    }
    var isDirect: Bool { json.isOn("is_direct") }
    var isPull: Bool { json.isOn("is_pull") }
    var isPublic: Bool { json.text("privacy") == Self.everyone }
    var createdAt: Int64 { json.int("created") }
    var isOver: Bool { status == "FAILED" || status == "PUBLISH_COMPLETE" }
    /// Not yet finished, so that it takes one of its person's places.
    var isPending: Bool { !isDirect && !isOver }
    var type: String { isDirect ? "DIRECT_PUBLISH" : "INBOX_SHARE" }

    // Of an upload.
    var plan: TikTokChunks {
        TikTokChunks(size: json.int("size"), chunk: json.int("chunk"), count: json.int("chunks"))
    }
    var uploaded: Int64 {
        get { json.int("uploaded") }
        set { json.set("uploaded", JSON(newValue)) }
    }
}

/// How a file is cut: each chunk the same, the rest in the last.
/// Source: developers.tiktok.com/doc/content-posting-api-media-transfer-guide.
struct TikTokChunks: Equatable {
    let size: Int64
    let chunk: Int64
    let count: Int64

    /// MB are decimal in the guide's example.
    static let chunkMin: Int64 = 5_000_000
    static let chunkMax: Int64 = 64_000_000
    static let countMax: Int64 = 1000
    /// 4 GB by either reading.
    static let sizeMax: Int64 = 4 << 30

    /// - Throws: what the init is answered.
    func check() throws(TikTokError) {
        guard (1...Self.sizeMax).contains(size) else { throw .chunks("The video size is invalid") }
        guard chunk > 0, chunk <= Self.chunkMax else { throw .chunks("The chunk size is invalid") }
        guard (1...Self.countMax).contains(count) else { throw .chunks("The total chunk count is invalid") }
        if count == 1 {
            guard chunk == size else { throw .chunks("The chunk size is invalid") }
            return
        }
        guard chunk >= Self.chunkMin else { throw .chunks("The chunk size is invalid") }
        guard count == size / chunk else { throw .chunks("The total chunk count is invalid") }
    }

    /// The bytes that come next after so many; nil where all are there.
    func next(after uploaded: Int64) -> ClosedRange<Int64>? {
        guard uploaded < size else { return nil }
        let isLast = uploaded / chunk >= count - 1
        return uploaded...(isLast ? size - 1 : uploaded + chunk - 1)
    }
}
