import Kit
import Testing

@testable import Engine
@testable import Store

@Suite("Which statement of a subscription counts")
struct SubscriptionRulesTests {
    /// What an event says, in short.
    struct Said: Sendable {
        let fact: BillingFact

        static func created(_ status: String, at: Int64 = 10, end: Int64 = 0) -> Said {
            statement(status, .created, at, end)
        }
        static func seen(_ status: String, at: Int64 = 10) -> Said { statement(status, .seen, at, 0) }
        static func changed(_ before: String, _ status: String, at: Int64 = 10, end: Int64 = 0) -> Said {
            statement(status, .changed(before: ["status": .string(before)]), at, end)
        }
        static func invoice(_ outcome: InvoiceStatement.Outcome, at: Int64, isFirst: Bool = false) -> Said {
            Said(
                fact: .invoice(
                    InvoiceStatement(
                        subscription: "sub_1", customer: nil, outcome: outcome, isFirst: isFirst,
                        statedAt: Timestamp(seconds: at))))
        }
        private static func statement(_ status: String, _ kind: SubscriptionStatement.Kind, _ at: Int64, _ end: Int64)
            -> Said
        {
            Said(fact: .subscription(SubscriptionStatement(object(status, end), kind, at: Timestamp(seconds: at))))
        }
        static func object(_ status: String, _ end: Int64 = 0) -> SubscriptionObject {
            SubscriptionObject(
                id: "sub_1", customer: nil,
                state: SubscriptionState(status: status, currentPeriodEnd: Timestamp(seconds: end)),
                isFinal: status == "canceled", content: ["status": .string(status), "current_period_end": JSON(end)])
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let said: [Said]
        let status: String
        var isProvisional = false
        /// Without anybody to ask.
        var isUnclear = false
        /// With a platform that can be asked.
        var isAsked = false
        var testDescription: String { name }
    }

    static let cases = [
        Case(
            name: "the later moment counts", said: [.created("incomplete"), .changed("incomplete", "active", at: 11)],
            status: "active"),
        Case(
            name: "within a moment the chain decides",
            said: [.created("incomplete"), .changed("incomplete", "active")], status: "active"),
        Case(
            name: "also without the beginning", said: [.changed("a", "b"), .changed("b", "c"), .changed("c", "d")],
            status: "d"),
        Case(
            name: "a circle of four, where each neighbour fits both ways",
            said: [
                .created("active"), .changed("active", "past_due"), .changed("past_due", "unpaid"),
                .changed("unpaid", "active"),
            ],
            status: "active", isAsked: true),
        Case(
            name: "a circle that ends where it began, though something better lay between",
            said: [.created("unpaid"), .changed("unpaid", "active"), .changed("active", "unpaid")], status: "unpaid",
            isAsked: true),
        Case(
            name: "a circle without its beginning", said: [.changed("active", "paused"), .changed("paused", "active")],
            status: "active",
            isUnclear: true, isAsked: true),
        Case(
            name: "a gap", said: [.created("active"), .changed("past_due", "unpaid")], status: "unpaid",
            isUnclear: true, isAsked: true),
        Case(
            name: "islands that are each in balance",
            said: [.created("active"), .changed("unpaid", "paused"), .changed("paused", "unpaid")], status: "active",
            isUnclear: true,
            isAsked: true),
        Case(
            name: "without a word of change only the beginning is known to be first",
            said: [.created("active"), .seen("paused")], status: "paused"),
        Case(
            name: "two that were only seen", said: [.seen("active"), .seen("paused")], status: "active",
            isUnclear: true, isAsked: true),
        Case(
            name: "a change without a word",
            said: [
                .created("active", end: 5), .changed("active", "past_due", end: 5),
                .changed("past_due", "active", end: 9),
            ],
            status: "active", isUnclear: true, isAsked: true),
        Case(
            name: "nothing follows the end",
            said: [.changed("active", "canceled", at: 10), .changed("past_due", "active", at: 9)], status: "canceled"),
        Case(
            name: "in one moment the end is last", said: [.seen("canceled"), .changed("canceled", "active")],
            status: "canceled"),
        Case(
            name: "something said to follow the end",
            said: [.seen("canceled"), .changed("past_due", "active", at: 12)], status: "canceled",
            isUnclear: true, isAsked: true),
        Case(
            name: "a paid invoice alone", said: [.invoice(.paid(until: nil), at: 10)], status: "active",
            isProvisional: true, isAsked: true),
        Case(
            name: "a failed one alone", said: [.invoice(.failed(nextAttempt: nil), at: 10)], status: "past_due",
            isProvisional: true, isAsked: true),
        Case(
            name: "the first one failed", said: [.invoice(.failed(nextAttempt: nil), at: 10, isFirst: true)],
            status: "incomplete",
            isProvisional: true, isAsked: true),
        Case(
            name: "failed, then paid, in one moment",
            said: [.invoice(.failed(nextAttempt: nil), at: 10), .invoice(.paid(until: nil), at: 10)],
            status: "active", isProvisional: true, isAsked: true),
        Case(
            name: "the subscription's word outweighs its invoices",
            said: [.created("trialing"), .invoice(.paid(until: nil), at: 20)], status: "trialing"),
        Case(
            name: "a failure of the same moment is part of it",
            said: [.created("active"), .invoice(.failed(nextAttempt: nil), at: 10)], status: "active"),
        Case(
            name: "a failure since then", said: [.created("active"), .invoice(.failed(nextAttempt: nil), at: 11)],
            status: "past_due",
            isProvisional: true, isAsked: true),
        Case(
            name: "a failure since then, paid by now",
            said: [
                .created("active"), .invoice(.failed(nextAttempt: nil), at: 11), .invoice(.paid(until: nil), at: 12),
            ], status: "active"),
        Case(
            name: "a failure where nothing was given",
            said: [.created("paused"), .invoice(.failed(nextAttempt: nil), at: 11)], status: "paused"),
    ]

    @Test("whatever the order and number of arrivals", arguments: cases)
    func decides(_ example: Case) {
        for canAsk in [false, true] {
            for order in permutations(Array(example.said.indices)).flatMap({ [$0, $0 + $0] }) {
                var row = Self.empty

                for index in order { Self.take(index, example.said, into: &row, canAsk: canAsk) }

                #expect(row.status == example.status, "\(order)")
                #expect(row.isProvisional == example.isProvisional, "\(order)")
                #expect(canAsk || row.isUnclear == example.isUnclear, "\(order)")
                #expect(!canAsk || SubscriptionRules.isOpen(row) == example.isAsked, "\(order)")
            }
        }
    }

    @Test(
        "what may lie before the platform's answer is asked again, unless it says the same",
        arguments: [
            (Said.changed("x", "past_due", at: 5), "active", false), (.changed("x", "active", at: 10), "active", false),
            (.changed("x", "past_due", at: 10), "past_due", true),
            (.changed("x", "past_due", at: 60), "past_due", true),
            (.changed("x", "past_due", at: 110), "past_due", true),
            (.changed("x", "past_due", at: 111), "past_due", false),
            (.seen("canceled", at: 60), "canceled", false),
        ])
    func afterAnswer(said: Said, status: String, isUnclear: Bool) {
        var row = Self.empty
        let all = [Said.changed("incomplete", "incomplete_x"), said]
        Self.take(0, all, into: &row, canAsk: true)
        SubscriptionRules.settle(&row, with: Said.object("active"), by: Self.id(0), askedAt: Timestamp(seconds: 100))

        Self.take(1, all, into: &row, canAsk: true)

        #expect(row.status == status && row.isUnclear == isUnclear)
    }

    @Test("an answer that it is over ends all doubt", arguments: [10, 50, 110])
    func answeredFinal(at: Int64) {
        var row = Self.empty
        let all = [Said.created("active"), Said.changed("x", "past_due", at: at)]
        Self.take(0, all, into: &row, canAsk: true)
        SubscriptionRules.settle(&row, with: Said.object("canceled"), by: Self.id(0), askedAt: Timestamp(seconds: 100))

        Self.take(1, all, into: &row, canAsk: true)

        #expect(row.status == "canceled" && !row.isUnclear)
    }

    @Test(
        "the best standing speaks, a word that we do not know before what is over",
        arguments: zip(
            [
                "active", "trialing", "past_due", "unpaid", "paused", "incomplete", "hibernating", "canceled",
                "incomplete_expired",
            ],
            [0, 1, 2, 3, 4, 5, 6, 7, 7]))
    func standing(status: String, rank: Int) { #expect(SubscriptionRules.standing(of: status) == rank) }

    // MARK: Parts

    private static let empty = SubscriptionRow(provider: "p", id: "sub_1", app: ID(stored: "app_1"), account: nil)
    private static func id(_ index: Int) -> ID<EventKind> { ID(stored: "evt_\(index)") }

    private static func take(_ index: Int, _ all: [Said], into row: inout SubscriptionRow, canAsk: Bool) {
        all[index].fact.take(into: &row, by: id(index), canAsk: canAsk) { event in
            guard let said = all.indices.first(where: { id($0) == event }),
                case .subscription(let statement) = all[said].fact
            else { return nil }
            return statement
        }
    }

    private func permutations(_ items: [Int]) -> [[Int]] {
        guard items.count > 1 else { return [items] }
        return items.flatMap { first in permutations(items.filter { $0 != first }).map { [first] + $0 } }
    }
}
