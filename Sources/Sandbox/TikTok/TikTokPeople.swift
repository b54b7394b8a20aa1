import Kit

/// Everybody at the simulated TikTok and what they have posted: a thousand accounts with a hundred thousand videos,
/// computed from the seed and never kept.
struct TikTokPeople {
    let seed: Seed
    /// When the world began, in ms; what is older than the sandbox was posted before.
    let born: Int64

    static let count = 1000
    /// How many videos an account has, by the last digit of its number: every edge of a page of 20 is among them.
    private static let videosByDigit = [100, 20, 40, 0, 1, 19, 21, 250, 349, 200]

    func account(_ index: Int) -> TikTokAccount { TikTokAccount(index: index, seed: seed) }

    func account(openID: String) -> TikTokAccount? {
        guard let number = UInt32(openID.prefix(8), radix: 16) else { return nil }
        let index = Int(number ^ TikTokAccount.mask(seed))
        guard index < Self.count else { return nil }
        let account = account(index)
        return account.openID == openID ? account : nil
    }

    /// By user name, open id, or number from 0 to 999.
    func account(named text: String) -> TikTokAccount? {
        if let index = Int(text), (0..<Self.count).contains(index) { return account(index) }
        if let index = text.split(separator: "_").last.flatMap({ Int($0) }), (0..<Self.count).contains(index),
            account(index).username == text
        {
            return account(index)
        }
        return account(openID: text)
    }

    func videoCount(of account: TikTokAccount) -> Int { Self.videosByDigit[account.index % 10] }

    /// The n-th newest.
    func video(_ number: Int, of account: TikTokAccount) -> TikTokVideo {
        let check = seed.draw(UInt64(number), of: stream(account)) % 1000
        let id = Self.firstID + Int64(account.index) * 10_000_000 + Int64(number) * 1000 + Int64(check)
        return TikTokVideo(
            id: id, openID: account.openID, username: account.username, createdMs: created(number, of: account),
            title: title(number, of: account), duration: Int64(check % 170) + 8, seed: seed)
    }

    func video(id: Int64) -> TikTokVideo? {
        guard id >= Self.firstID else { return nil }
        let rest = id - Self.firstID
        let (index, number) = (Int(rest / 10_000_000), Int(rest % 10_000_000 / 1000))
        guard index < Self.count, number < videoCount(of: account(index)) else { return nil }
        let video = video(number, of: account(index))
        return video.id == id ? video : nil
    }

    /// Those that were made before a moment, newest first, at most so many.
    func videos(of account: TikTokAccount, before ms: Int64, atMost limit: Int) -> [TikTokVideo] {
        let count = videoCount(of: account)
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if created(middle, of: account) >= ms { low = middle + 1 } else { high = middle }
        }
        return (low..<min(count, low + limit)).map { video($0, of: account) }
    }

    private static let firstID: Int64 = 7_300_000_000_000_000_000
    private static let hour: Int64 = 3_600_000

    private func stream(_ account: TikTokAccount) -> String { "tiktok.videos.\(account.index)" }

    /// One every 6 to 60 hours. Every seventeenth shares its second with the one before, another millisecond of it:
    /// whoever pages by `create_time` alone loses one there.
    private func created(_ number: Int, of account: TikTokAccount) -> Int64 {
        if number % 17 == 16 {
            let before = created(number - 1, of: account)
            let part = before % 1000
            return part > 0 ? before - (part + 1) / 2 : before - 1
        }
        let gap = Self.hour * (6 + Int64(seed.draw(0, of: "tiktok.gap.\(account.index)") % 55))
        let jitter = Int64(seed.draw(UInt64(number), of: stream(account) + ".at") % UInt64(gap / 4))
        return born - Int64(number + 1) * gap + jitter
    }

    private static let things = [
        "Rye is back", "Sunday buns", "How we shape a loaf", "The oven at four", "A day's bread", "Starter, day nine",
        "Croissants, folded", "What a crumb should be", "Market morning", "Cinnamon and patience",
    ]
    private static let tags = ["#bread", "#bakery", "#sourdough", "#rye", "#morning"]

    private func title(_ number: Int, of account: TikTokAccount) -> String {
        let draw = seed.draw(UInt64(number), of: stream(account) + ".title")
        return Self.things[Int(draw % 10)] + " " + Self.tags[Int(draw / 10 % 5)]
    }
}

/// A person at the simulated TikTok, by number.
struct TikTokAccount {
    let index: Int
    let seed: Seed

    static func mask(_ seed: Seed) -> UInt32 { UInt32(truncatingIfNeeded: seed.draw(0, of: "tiktok.mask")) }

    /// Its number is in it, so that it is found again; nobody sees which.
    var openID: String {
        let head = Self.hex(UInt64(UInt32(index) ^ Self.mask(seed)), 8)
        return head + "-" + tail("open")
    }
    var unionID: String {
        Self.hex(seed.draw(UInt64(index), of: "tiktok.union") & 0xFFFF_FFFF, 8) + "-" + tail("union")
    }
    var name: String { "\(first) \(last)" }
    var username: String { "\(first.lowercased())_\(last.lowercased())_\(index)" }
    var isVerified: Bool { index % 25 == 0 }
    /// Every tenth account is private unless its person says otherwise.
    var isPrivateAtFirst: Bool { index % 10 == 9 }

    /// What grows with the hours since the world began.
    func stats(_ hours: Int64, videos: Int) -> [JSONMember] {
        func grown(_ name: String, _ most: UInt64, _ byHour: UInt64) -> JSON {
            let draw = seed.draw(UInt64(index), of: "tiktok.stats." + name)
            return JSON(Int64(draw % most) + max(0, hours) * Int64(draw / most % byHour))
        }
        return [
            JSONMember("follower_count", grown("followers", 200_000, 20)),
            JSONMember("following_count", grown("following", 900, 1)),
            JSONMember("likes_count", grown("likes", 900_000, 60)), JSONMember("video_count", JSON(videos)),
        ]
    }

    private static let firsts = [
        "Mira", "Jonas", "Aiko", "Samuel", "Lena", "Tariq", "Noor", "Elin", "Mateo", "Hana", "Oskar", "Ines", "Kofi",
        "Maren", "Yuna", "Pavel",
    ]
    private static let lasts = [
        "Okafor", "Lind", "Tanaka", "Reyes", "Kowalski", "Haddad", "Moreau", "Berg", "Silva", "Park", "Novak", "Diaz",
        "Mensah", "Falk", "Ito",
    ]
    private var draw: UInt64 { seed.draw(UInt64(index), of: "tiktok.names") }
    private var first: String { Self.firsts[Int(draw % 16)] }
    private var last: String { Self.lasts[Int(draw / 16 % 15)] }

    private func tail(_ stream: String) -> String {
        let (high, low) = (
            seed.draw(UInt64(index) * 2, of: "tiktok." + stream),
            seed.draw(UInt64(index) * 2 + 1, of: "tiktok." + stream)
        )
        let text = Self.hex(high, 16) + Self.hex(low, 16)
        let parts = [text.prefix(4), text.dropFirst(4).prefix(4), text.dropFirst(8).prefix(4), text.suffix(12)]
        return parts.joined(separator: "-")
    }

    private static func hex(_ number: UInt64, _ digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
