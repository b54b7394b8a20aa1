public import Kit
public import Store

/// Keeps users' subscriptions, payments and means of payment right, from one platform's events.
///
/// For each event: `plan` outside any transaction (reads, and asks the platform where only it can tell), then `apply`
/// inside the transaction that ends the event's job. When `apply` says `.planAgain`, something changed between the two.
public struct Billing: Sendable {
    /// So often an event is planned within one run of its job; then the job tries again later.
    public static let roundsMax = 5

    public let rules: BillingRules
    private let database: any Database
    private let caller: Caller?

    /// - Parameter caller: nil when no key is set. What only the platform can tell stays marked unclear then.
    public init(_ source: any BillingSource, database: any Database, caller: Caller?) {
        rules = BillingRules(source, canAsk: caller != nil)
        self.database = database
        self.caller = caller
    }

    /// Reads an event and gets what is needed to apply it. A platform that does not answer is part of the plan.
    ///
    /// - Parameter asks: false leaves open what only the platform can tell.
    public func plan(_ event: StoredEvent, asks: Bool = true) async throws -> BillingPlan {
        let facts: [BillingFact]
        do { facts = try rules.facts(in: event) } catch {
            return BillingPlan(facts: .failure(error), answers: [], problem: nil)
        }
        let (rules, id) = (rules, event.id)
        let (questions, known) = try await database.read("billing.plan") { session in
            (try rules.questions(about: facts, of: event, in: session), try session.answers(for: id))
        }
        var answers: [PlatformAnswer] = []
        for question in questions {
            if let answer = known.first(where: { question.isAnswered(by: $0) }).flatMap({ rules.read($0, of: event) }) {
                answers.append(answer)
            } else if asks, let caller {
                do { answers.append(try await ask(question, for: event, by: caller)) } catch {
                    return BillingPlan(facts: .success(facts), answers: answers, problem: error)
                }
            }
        }
        return BillingPlan(facts: .success(facts), answers: answers, problem: nil)
    }

    private func ask(_ question: Question, for event: StoredEvent, by caller: Caller) async throws(CallProblem)
        -> PlatformAnswer
    {
        let call = rules.source.subscription(question.subscription, in: event.account)
        var context = CallContext("subscription", as: Claimant("event \(event.id)", .event))
        (context.userID, context.subject) = (event.userID, event.id.text)
        let (object, answer, at) = try await caller.ask(call, in: context)
        guard object.id.hasSameBytes(as: question.subscription) else {
            throw .failed(
                Failure(
                    .garbled, "\(rules.source.about.name) answered with another subscription than it was asked for."))
        }
        return PlatformAnswer(
            object: object,
            kept: FetchedAnswer(
                purpose: question.purpose, at: at, status: answer.status, body: answer.body, covers: question.covers,
                through: question.through))
    }
}

/// What an event says, with what the platform had to tell in addition.
public struct BillingPlan: Sendable {
    let facts: Result<[BillingFact], Unreadable>
    let answers: [PlatformAnswer]
    /// Why a question is without its answer.
    public let problem: CallProblem?
}

struct PlatformAnswer: Sendable {
    let object: SubscriptionObject
    let kept: FetchedAnswer
}

/// What only the platform can tell, and what is known when it is asked.
struct Question: Sendable, Equatable {
    let subscription: String
    let covers: [ID<EventKind>]
    let through: Timestamp

    init(about row: SubscriptionRow) {
        subscription = row.id
        covers = row.tied
        through = SubscriptionRules.known(row)
    }

    var purpose: String { "subscription " + subscription }

    /// An answer decides between just what had been heard when it was asked for.
    func isAnswered(by answer: FetchedAnswer) -> Bool {
        answer.purpose.hasSameBytes(as: purpose) && answer.covers == covers && answer.through == through
    }
}

/// What became of an event.
public struct Applied: Sendable {
    public enum State: Sendable, Equatable {
        case applied
        /// Nobody is known to be this customer: `waiting_review`, under one review for the customer.
        case waiting(CustomerName)
        /// Its content is not what the platform documents: `waiting_review`, under a review of its own.
        case unreadable(String)
        /// It says nothing that is kept here.
        case ignored
        /// It is about someone who was erased: its bytes are gone.
        case erased
    }

    /// What the job does with it.
    public enum Next: Sendable, Equatable {
        case done
        /// What was asked about changed meanwhile: plan and apply once more, now.
        case planAgain
        /// Applied as far as is known; the platform must still be asked. The job tries again later, which repeats
        /// nothing.
        case retry(Failure)
        /// The same, and the question has not left: the job waits at its gate.
        case held(Hold)
    }

    public let state: State
    public let next: Next
    public let userID: String?
    /// Events that this one set free: the caller adds their jobs in this transaction.
    public let linked: Linked
    /// Subscriptions whose best guess is kept although only the platform can tell, with no job to ask it: no key is
    /// set, or the key is refused. An alert for each (`subscription_unclear`).
    public let unclear: [String]
}
