import FoundationEssentials
public import Kit
import StandardWebhooks
import Synchronization

/// What the demo's application knows of its members: only what signed webhooks told it. Guards members and news.
final class BakeryShop: Sendable {
    struct Member: Sendable, Codable, Equatable {
        let user: String
        var status: String
        var plan: String?
        /// RFC 3339.
        var paidUntil: String?
        var version: Int64
        var changedAt: Timestamp
    }
    struct News: Sendable {
        let at: Timestamp
        let lamp: LampState
        let sentence: String
    }

    private struct State {
        /// By user.
        var members: [String: Member] = [:]
        var news: [News] = []
        var seen: Set<String> = []
        var seenOrder: [String] = []
        var isFailing = false
        var counts = Counts()
        /// Rises with everything that a page shows.
        var version: Int64 = 0
        var isSaved = true
    }
    struct Counts: Sendable, Equatable {
        var verified = 0
        var repeats = 0
        var refused = 0
        var failed = 0
    }

    private let state: Mutex<State>
    private let file: String
    private let secretFile: String

    private static let membersMax = 2000
    private static let newsMax = 12
    /// Ids of webhooks that are told apart from repeats.
    private static let seenMax = 20_000

    /// - Parameter folder: where members are kept and the endpoint's secret is found.
    init(folder: String) {
        file = folder + "/application.json"
        secretFile = folder + "/application-secret"
        var state = State()
        let kept = FileManager.default.contents(atPath: file).flatMap {
            try? JSONDecoder().decode([Member].self, from: $0)  // None yet: the shop is empty.
        }
        for member in kept ?? [] { state.members[member.user] = member }
        self.state = Mutex(state)
    }

    // MARK: Receiving

    /// Takes a webhook: what to answer.
    func take(_ delivery: Delivery) -> Int {
        if state.withLock({ $0.isFailing }) {
            change { $0.counts.failed += 1 }
            return 500
        }
        guard isProven(delivery), let body = try? JSON.parse(delivery.body) else {
            change { $0.counts.refused += 1 }
            return 401
        }
        let id = delivery.headers["webhook-id"] ?? ""
        change { state in
            guard state.seen.insert(id).inserted else {
                state.counts.repeats += 1
                return
            }
            state.counts.verified += 1
            state.seenOrder.append(id)
            if state.seenOrder.count > Self.seenMax { state.seen.remove(state.seenOrder.removeFirst()) }
            Self.apply(body, to: &state, at: delivery.receivedAt)
        }
        return 204
    }

    /// The secret is read anew each time that it does not fit: the demo may have made another.
    private func isProven(_ delivery: Delivery) -> Bool {
        let scheme = StandardWebhooks().webhooks
        guard let bytes = FileManager.default.contents(atPath: secretFile),
            let secrets = try? scheme.secrets(in: String(decoding: bytes, as: UTF8.self))
        else { return false }
        return (try? scheme.check(delivery, with: secrets)) != nil
    }

    private static func apply(_ body: JSON, to state: inout State, at now: Timestamp) {
        guard let data = body["data"], let user = data["user_id"]?.text else { return }
        let name = BakeryWords.name(user)
        switch body["type"]?.text ?? "" {
        case "user.subscription_updated":
            let version = data["version"]?.integer ?? 0
            // The greater version is newer, whatever comes first.
            guard version > state.members[user]?.version ?? -1 else { return }
            let status = data["status"]?.text ?? "none"
            let old = state.members[user]?.status
            state.members[user] = Member(
                user: user, status: status, plan: data["plan"]?.text, paidUntil: data["current_period_end"]?.text,
                version: version, changedAt: now)
            if old != status {
                let (lamp, sentence) = BakeryWords.change(name, from: old, to: status)
                tell(lamp, sentence, &state, now)
            }
        case "payment.failed":
            let money = BakeryWords.money(data["amount"]).map { " of \($0)" } ?? ""
            tell(.failed, "\(name)'s payment\(money) failed. We ask for another card.", &state, now)
        case "payment.refunded": tell(.paused, "\(name) got money back.", &state, now)
        case "user.erased": state.members[user] = nil
        default: break
        }
        guard state.members.count > membersMax else { return }
        let oldest = state.members.values.sorted { $0.changedAt < $1.changedAt }.prefix(membersMax / 10)
        for member in oldest { state.members[member.user] = nil }
    }

    private static func tell(_ lamp: LampState, _ sentence: String, _ state: inout State, _ now: Timestamp) {
        state.news.insert(News(at: now, lamp: lamp, sentence: sentence), at: 0)
        if state.news.count > newsMax { state.news.removeLast() }
    }

    private func change(_ work: (inout State) -> Void) {
        state.withLock { state in
            work(&state)
            state.version += 1
            state.isSaved = false
        }
    }

    // MARK: Showing

    struct View: Sendable {
        let members: [Member]
        let count: Int
        let active: Int
        let news: [News]
        let counts: Counts
        let isFailing: Bool
        let version: Int64
    }

    /// Members, the latest changed first.
    func view(limit: Int) -> View {
        state.withLock { state in
            let members = state.members.values.sorted {
                ($1.changedAt, $0.user) < ($0.changedAt, $1.user)
            }
            return View(
                members: Array(members.prefix(limit)), count: members.count,
                active: members.count { $0.status == "active" || $0.status == "trialing" }, news: state.news,
                counts: state.counts, isFailing: state.isFailing, version: state.version)
        }
    }

    func fail(_ isFailing: Bool) { change { $0.isFailing = isFailing } }

    /// Writes the members down, where any changed.
    func save() {
        let members = state.withLock { state -> [Member]? in
            guard !state.isSaved else { return nil }
            state.isSaved = true
            return Array(state.members.values)
        }
        guard let members, let data = try? JSONEncoder().encode(members) else { return }  // Plain values.
        do { try data.write(to: URL(fileURLWithPath: file), options: .atomic) } catch {
            state.withLock { $0.isSaved = false }  // Tried again with the next change.
        }
    }
}

/// How the bakery says things.
public enum BakeryWords {
    /// `mira_okafor_12` is Mira Okafor; `rye_12` stays.
    public static func name(_ user: String) -> String {
        let parts = user.split(separator: "_").filter { Int($0) == nil }
        guard parts.count > 1 else { return user }
        return parts.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: " ")
    }

    /// What it sells, by Stripe's price.
    private static let plans = [
        "price_loaf_a_week": "A loaf a week", "price_two_loaves": "Two loaves a week",
        "price_pastries": "Pastries on Saturday", "price_whole_shelf": "The whole shelf",
        "price_loaf_by_the_year": "A loaf a week, by the year",
    ]
    static func plan(_ price: String?) -> String { price.map { plans[$0] ?? "another plan" } ?? "" }

    static func status(_ status: String) -> (lamp: LampState, word: String) {
        switch status {
        case "active": (.ok, "member")
        case "trialing": (.ok, "tries it")
        case "past_due": (.needs, "payment failed")
        case "unpaid": (.failed, "did not pay")
        case "incomplete": (.waiting, "pays just now")
        case "canceled", "incomplete_expired": (.paused, "has left")
        case "paused": (.paused, "paused")
        default: (.todo, "no member")
        }
    }

    static func change(_ name: String, from old: String?, to status: String) -> (LampState, String) {
        let lamp = self.status(status).lamp
        switch status {
        case "active": return (lamp, old == "past_due" ? "\(name) has paid after all." : "\(name) is a member now.")
        case "past_due": return (lamp, "\(name) gets bread for three more days, then no more.")
        case "canceled": return (lamp, "\(name) has left.")
        case "incomplete": return (lamp, "\(name) is at the till.")
        default: return (lamp, "\(name): \(self.status(status).word).")
        }
    }

    /// `19.99 USD`, of a change's amount; nil where there is none.
    public static func money(_ amount: JSON?) -> String? {
        guard let minor = amount?["amount"]?.integer, let currency = amount?["currency"]?.text else { return nil }
        return MoneyText.of(minor, currency)
    }
}
