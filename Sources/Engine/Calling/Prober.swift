public import Kit
import Synchronization

/// Asks platforms harmless questions, as every call is asked: within quotas, past circuits, written down under the
/// purpose `doctor`. Each is sent once.
public struct Prober: Sendable {
    public static let purpose = "doctor"

    /// A question, and whom it is asked.
    public struct Question: Sendable {
        public let provider: About
        /// Where, without the path.
        public let address: String
        public let outgoing: Outgoing
        let authorization: Secret
        /// Sent instead of the call's own body, where there is one.
        var form: Secret?
        public var connection: ID<ConnectionKind>?
        public var userID: String?
        let failure: @Sendable (Answer, Timestamp) -> Failure?

        /// With a key, or the token of a connection.
        public init(
            _ outgoing: Outgoing, to provider: About, at address: String, bearing token: Secret,
            failure: @escaping @Sendable (Answer, Timestamp) -> Failure?
        ) {
            self.provider = provider
            self.address = address.utf8.last == UInt8(ascii: "/") ? String(address.dropLast()) : address
            self.outgoing = outgoing
            self.failure = failure
            authorization = token.reveal { Secret(Array("Bearer ".utf8) + $0) }
        }

        /// For a token of the app's own.
        public init(_ platform: any TokenGiving, as client: ClientCredentials) {
            provider = platform.about
            address = client.address ?? platform.oauth.token.host
            let request = platform.oauth.request(.client, client: client)
            outgoing = Outgoing(
                .post, Path(stringLiteral: platform.oauth.token.path),
                headers: [Field("Content-Type", "application/x-www-form-urlencoded")], within: .seconds(5))
            authorization = request.authorization ?? Secret([])
            form = request.body
            failure = { answer, _ in
                (200..<300).contains(answer.status)
                    ? nil
                    : Failure(answer.status >= 500 ? .unavailable(retryAfter: nil) : .refused, "It gave no token.")
            }
        }
    }

    /// What came of it.
    public struct Heard: Sendable {
        public var answer: Answer?
        public var failure: Failure?
        /// Why no whole answer came.
        public var fault: WireFailure?
        /// What kept it from being asked.
        public var hold: Hold?
        /// How far the platform's clock is ahead of this one, as its answer says.
        public var skew: Duration?

        public init() {}
    }

    private let wire: any Wire
    private let traffic: Traffic?
    private let time: TimeSource

    /// - Parameter traffic: nil where there is no database: then nothing is counted or written down.
    public init(wire: any Wire, traffic: Traffic?, time: TimeSource) {
        self.wire = wire
        self.traffic = traffic
        self.time = time
    }

    public func ask(_ question: Question) async -> Heard {
        let note = Note()
        var heard = Heard()
        if let traffic {
            do throws(CallProblem) {
                _ = try await traffic.exchange(exchange(question)) { await send(question, noting: note, within: $0) }
            } catch {
                switch error {
                case .held(let hold): heard.hold = hold
                case .failed(let failure): heard.failure = failure
                }
            }
        } else {
            heard.failure = await send(question, noting: note, within: question.outgoing.deadline).failure
        }
        (heard.answer, heard.fault, heard.skew) = note.value
        return heard
    }

    private func exchange(_ question: Question) -> Traffic.Exchange {
        var context = CallContext(
            Self.purpose, as: Claimant(question.connection?.text ?? question.provider.id, .person))
        context.connection = question.connection?.text
        context.userID = question.userID
        return Traffic.Exchange(
            provider: question.provider, host: HostText.of(question.address), method: question.outgoing.method.rawValue,
            path: question.outgoing.path, spends: question.outgoing.spends, repeating: .never,
            deadline: question.outgoing.deadline, context: context)
    }

    private func send(_ question: Question, noting note: Note, within deadline: Duration) async -> Traffic.Outcome {
        var outcome = Traffic.Outcome()
        let body = question.form.map { $0.reveal(Array.init) } ?? question.outgoing.body
        let request = WireRequest(
            method: question.outgoing.method, url: question.address + question.outgoing.path.description,
            headers: question.outgoing.headers, body: body, authorization: question.authorization)
        let began = time.now()
        do {
            let answer = try await wire.send(request, within: deadline)
            let ended = time.now()
            outcome.answer = answer
            outcome.bytesReceived = Int64(answer.body.count)
            outcome.failure = question.failure(answer, ended)
            note.value = (answer, nil, Self.skew(in: answer, between: began, ended))
        } catch {
            (outcome.failure, outcome.isOurs) = Failure.unheard(error, question.provider)
            note.value = (nil, WireFailure(error), nil)
        }
        return outcome
    }

    /// Another machine's clock against this one, in whole seconds as `Date` has them; what the answer's way took says
    /// nothing. Nil where there is no `Date`.
    public static func skew(in answer: Answer, between began: Timestamp, _ ended: Timestamp) -> Duration? {
        guard let text = answer.headers.first(where: { $0.name.lowercased() == "date" })?.value,
            text.utf8.count <= 64, let theirs = RetryAfter.date(in: text)
        else { return nil }
        // Their second began at most a second before they looked at their clock.
        if theirs + .seconds(1) < began { return theirs + .seconds(1) - began }
        return theirs > ended ? theirs - ended : .zero
    }
}

/// What the attempt came to: written by it, read after it.
private final class Note: Sendable {
    typealias Value = (answer: Answer?, fault: WireFailure?, skew: Duration?)
    private let state = Mutex<Value>((nil, nil, nil))

    var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
