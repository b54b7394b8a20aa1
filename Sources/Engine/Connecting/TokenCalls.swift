import Kit

/// Requests for tokens go out as every other call: past the platform's circuit and quotas, written down without bodies
/// and secrets, under the purpose `token`. Each is sent once: whoever asks knows what a second one would do.
struct TokenCalls: Sendable {
    static let purpose = "token"

    let wire: any TokenWire
    /// Nil where nobody counts.
    let traffic: Traffic?

    /// What is asked, of whom, for whom.
    struct Call: Sendable {
        let request: TokenRequest
        let platform: any TokenGiving
        let connection: ID<ConnectionKind>?
        /// What is wrong with an answer; nil for what is well.
        let problem: @Sendable (Answer) -> TokenProblem?
    }

    func send(_ call: Call) async -> TokenExchange {
        guard let traffic else { return await wire.send(call.request, within: TokenDesk.deadline) }
        let exchange = exchange(call)
        let ticket: Quotas.Ticket
        do { ticket = try await traffic.permit(exchange) } catch { return .notSent }  // Held back: nothing has left.
        let (at, began) = (traffic.time.now(), traffic.time.uptime())
        let answer = await wire.send(call.request, within: TokenDesk.deadline)
        await traffic.conclude(
            exchange, 1, ticket, outcome(of: answer, call), at: at, took: traffic.time.uptime() - began)
        return answer
    }

    private func exchange(_ call: Call) -> Traffic.Exchange {
        let about = call.platform.about
        var context = CallContext(Self.purpose, as: Claimant(call.connection?.text ?? about.id, .person))
        context.connection = call.connection?.text
        // Ours or the operator's; of a query nothing is shown.
        let url = call.request.url
        let rest = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return Traffic.Exchange(
            provider: about, host: HostText.of(url), method: call.request.method.rawValue,
            path: Path(stringLiteral: rest.count > 3 ? "/\(rest[3])" : "/"), spends: [], repeating: .never,
            deadline: TokenDesk.deadline, context: context)
    }

    private func outcome(of exchange: TokenExchange, _ call: Call) -> Traffic.Outcome {
        var outcome = Traffic.Outcome()
        outcome.bytesSent = Int64(call.request.body?.count ?? 0)
        let name = call.platform.about.name
        switch exchange {
        case .answered(let answer):
            outcome.answer = answer
            outcome.bytesReceived = Int64(answer.body.count)
            outcome.failure = call.problem(answer).map { problem in
                Failure(problem.kind, "\(name) gave no tokens.", code: problem.knownCode(at: call.platform.oauth))
            }
        case .notSent, .unheard:
            let effect: Failure.Effect = exchange == .notSent ? .none : .possible
            outcome.failure = Failure(.unavailable(retryAfter: nil), "\(name) gave no answer.", effect: effect)
        }
        return outcome
    }
}

extension TokenProblem {
    fileprivate var kind: Failure.Kind {
        switch self {
        case .unavailable(let wait, _): .unavailable(retryAfter: wait)
        case .deadGrant, .client: .unauthorized
        case .refused: .refused
        }
    }
}
