import Kit
import Stripe
import Testing

@testable import Engine
@testable import Store

@Suite("A subscription's life, in every order")
struct SubscriptionPermutationTests {
    /// What the platform answers while events are on their way.
    enum Platform: Sendable, CaseIterable {
        /// No key is set.
        case silent
        /// It is at the end of the life already.
        case ahead
        /// It is no further than what has arrived.
        case level
    }
    enum Time: Sendable, CaseIterable { case hours, oneSecond }

    @Test("ends in the state that Stripe holds", arguments: Life.all, Platform.allCases)
    func everyOrder(life: Life, platform: Platform) throws {
        let ways: [(Time, StripeModel.Shape)] =
            platform == .silent
            ? [(.hours, .new), (.oneSecond, .new), (.oneSecond, .mixed)]
            : platform == .ahead ? [(.oneSecond, .mixed)] : [(.hours, .mixed), (.oneSecond, .new)]
        for (time, shape) in ways {
            let model = life.model(pace: time == .oneSecond ? 0 : 3600, shape: shape)
            #expect(model.events.count == 7)
            var walk = try Permutations(model: model, platform: platform)

            walk.run()

            #expect(walk.finished == 5040)
            #expect(walk.wrong == [], "\(life), \(time), \(shape)")
            #expect(time == .oneSecond || platform != .silent || walk.asked == 0)
        }
    }

    @Test("the old shape says the same", arguments: Life.all.suffix(2))
    func oldShape(life: Life) throws {
        var walk = try Permutations(model: life.model(pace: 0, shape: .old), platform: .silent)
        walk.run()
        #expect(walk.wrong == [])
    }
}

/// Walks over all orders of a life's events in memory; what two orders begin with alike is applied once. After every
/// second event, by lot, an earlier one comes again.
private struct Permutations {
    struct Rows {
        var subscriptions: [String: SubscriptionRow] = [:]
        var methods: [String: PaymentMethodRow] = [:]
    }

    let model: StripeModel
    let platform: SubscriptionPermutationTests.Platform
    private let facts: [[BillingFact]]
    private let ids: [ID<EventKind>]
    private var random = SplitMix(seed: 7)
    private(set) var finished = 0
    private(set) var asked = 0
    private(set) var wrong: [String] = []

    init(model: StripeModel, platform: SubscriptionPermutationTests.Platform) throws {
        self.model = model
        self.platform = platform
        facts = try model.events.map {
            try Stripe().billing(
                in: EventContent(type: $0.type, occurredAt: Timestamp(seconds: $0.created), body: Array($0.body.utf8)))
        }
        ids = model.events.indices.map { ID(stored: "evt_\($0)") }
    }

    mutating func run() { walk(Rows(), arrived: [], left: Array(facts.indices)) }

    private mutating func walk(_ rows: Rows, arrived: [Int], left: [Int]) {
        guard !left.isEmpty else {
            finished += 1
            check(rows, arrived)
            return
        }
        for event in left {
            var next = rows
            let now = arrived + [event]
            deliver(event, into: &next, arrived: now)
            let again = Int(random.next() % UInt64(2 * now.count))
            if again < now.count { deliver(now[again], into: &next, arrived: now) }
            if platform == .level { checkUnderWay(next, now) }
            walk(next, arrived: now, left: left.filter { $0 != event })
        }
    }

    /// With a platform that can be asked, nothing is ever wrong: what is held was true at or after the latest statement
    /// that has arrived.
    private mutating func checkUnderWay(_ rows: Rows, _ arrived: [Int]) {
        for (id, row) in rows.subscriptions {
            let latest = arrived.filter { event in
                facts[event].contains { if case .subscription = $0 { $0.subscription == id } else { false } }
            }.max()
            guard let latest, let end = arrived.max() else { continue }
            let allowed = (latest...end).compactMap { model.truths[$0].subscriptions[id] }
            let isRight = allowed.contains {
                $0.status == row.status && $0.cancels == row.state?.cancelAtPeriodEnd && $0.price == row.state?.plan
            }
            if !isRight || row.isUnclear, wrong.count < 3 {
                wrong.append("under way \(arrived) \(id): \(row.status ?? "nil")")
            }
        }
    }

    private mutating func deliver(_ event: Int, into rows: inout Rows, arrived: [Int]) {
        for fact in facts[event] {
            if let id = fact.subscription {
                var row =
                    rows.subscriptions[id]
                    ?? SubscriptionRow(provider: "stripe", id: id, app: ID(stored: "app"), account: nil)
                fact.take(into: &row, by: ids[event], canAsk: platform != .silent) { recalled in
                    statement(of: recalled, about: id)
                }
                if SubscriptionRules.isOpen(row) { ask(about: &row, event: event, arrived: arrived) }
                rows.subscriptions[id] = row
            } else if case .paymentMethod(let news) = fact {
                let old = rows.methods[news.id]
                var row =
                    old
                    ?? PaymentMethodRow(
                        provider: "stripe", id: news.id, app: ID(stored: "app"), account: nil, statedAt: news.statedAt,
                        statedBy: ids[event])
                PaymentMethodRules.take(news, by: ids[event], into: &row, isNew: old == nil)
                rows.methods[news.id] = row
            }
        }
    }

    private func statement(of event: ID<EventKind>, about id: String) -> SubscriptionStatement? {
        guard let index = ids.firstIndex(of: event) else { return nil }
        for case .subscription(let statement) in facts[index] where statement.object.id == id { return statement }
        return nil
    }

    private mutating func ask(about row: inout SubscriptionRow, event: Int, arrived: [Int]) {
        guard platform != .silent else { return }
        asked += 1
        let upTo = platform == .ahead ? model.truths.count - 1 : arrived.max() ?? 0
        guard let truth = model.truths[upTo].subscriptions[row.id] else { return }
        let answer = Answer(status: 200, headers: [], body: Array(model.answer(truth, row.id).utf8))
        guard let object = try? Stripe().subscription(row.id, in: nil).read(answer) else { return }
        let latest = arrived.map { model.events[$0].created }.max() ?? 0
        SubscriptionRules.settle(&row, with: object, by: ids[event], askedAt: Timestamp(seconds: latest + 1))
    }

    private mutating func check(_ rows: Rows, _ arrived: [Int]) {
        for (id, truth) in model.truth.subscriptions {
            let row = rows.subscriptions[id]
            let isRight =
                row?.status == truth.status && row?.state?.plan == truth.price
                && row?.state?.currentPeriodEnd?.seconds == truth.end
                && row?.state?.cancelAtPeriodEnd == truth.cancels && row?.state?.endedAt?.seconds == truth.endedAt
                && row?.paidUntil?.seconds == model.truth.paidUntil[id] && row.map(SubscriptionRules.isOpen) == false
            if !isRight, wrong.count < 3 {
                wrong.append(
                    """
                    \(arrived) \(id): \(row?.status ?? "nil") \(row?.state?.plan ?? "") \
                    unclear \(row?.isUnclear ?? false)
                    """
                )
            }
        }
        let attached = Set(rows.methods.values.filter(\.isAttached).map(\.id))
        if attached != Set(model.truth.methods.keys), wrong.count < 3 { wrong.append("\(arrived) methods \(attached)") }
    }
}

/// Steele, Lea and Flood's generator: the same numbers for the same seed, everywhere.
struct SplitMix: RandomNumberGenerator, Sendable {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
