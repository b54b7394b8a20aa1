import Kit

/// A video that can be listed, whether computed from the seed or published through the API.
struct TikTokVideo {
    let id: Int64
    let openID: String
    let username: String
    let createdMs: Int64
    let title: String
    let duration: Int64
    let seed: Seed

    /// Its fields by name. Counters only grow, by the sandbox's clock: the same at the same age for the same seed.
    func fields(at now: Timestamp, cover: (String) -> String) -> [JSONMember] {
        let age = max(0, now.microseconds / 1000 - createdMs) / 1000
        let link = "https://www.tiktok.com/@\(username)/video/\(id)"
        return [
            JSONMember("id", .string(String(id))), JSONMember("create_time", JSON(createdMs / 1000)),
            JSONMember("cover_image_url", .string(cover(String(id)))),
            JSONMember("share_url", .string(link + "?utm_campaign=tt4d_open_api")),
            JSONMember("video_description", .string(String(title.prefix(150)))),
            JSONMember("duration", JSON(duration)), JSONMember("height", 1024), JSONMember("width", 576),
            JSONMember("title", .string(String(title.prefix(150)))),
            JSONMember("embed_html", .string("<blockquote class=\"tiktok-embed\" cite=\"\(link)\"></blockquote>")),
            JSONMember("embed_link", .string("https://www.tiktok.com/embed/v2/\(id)")),
            JSONMember("like_count", JSON(grown("likes", 40_000, age))),
            JSONMember("comment_count", JSON(grown("comments", 900, age))),
            JSONMember("share_count", JSON(grown("shares", 2_500, age))),
            JSONMember("view_count", JSON(grown("views", 700_000, age))),
        ]
    }

    static let names = [
        "id", "create_time", "cover_image_url", "share_url", "video_description", "duration", "height", "width",
        "title",
        "embed_html", "embed_link", "like_count", "comment_count", "share_count", "view_count",
    ]

    /// Half of what it will ever have is there after two days.
    private static let half: Int64 = 172_800

    private func grown(_ name: String, _ most: UInt64, _ age: Int64) -> Int64 {
        let end = Int64(seed.draw(UInt64(id), of: "tiktok." + name) % most) + 1
        return end * age / (age + Self.half)
    }

    // MARK: As a world keeps a published one

    init(
        id: Int64, openID: String, username: String, createdMs: Int64, title: String, duration: Int64, seed: Seed
    ) {
        self.id = id
        self.openID = openID
        self.username = username
        self.createdMs = createdMs
        self.title = title
        self.duration = duration
        self.seed = seed
    }

    init(_ json: JSON, seed: Seed) {
        self.init(
            id: json.int("id"), openID: json.text("open_id") ?? "", username: json.text("username") ?? "",
            createdMs: json.int("created_ms"), title: json.text("title") ?? "", duration: json.int("duration"),
            seed: seed)
    }

    var json: JSON {
        [
            "id": JSON(id), "open_id": .string(openID), "username": .string(username), "created_ms": JSON(createdMs),
            "title": .string(title), "duration": JSON(duration),
        ]
    }
}
