public import Kit
public import Store

/// Goes on with a recovery that is too large for the request that asked for it.
public struct RecoveryWorker: JobWorker {
    public static let kind = "endpoint.recover"
    private static let lane = Lane("recover", .event)

    public var kind: String { Self.kind }
    private let endpoints: Endpoints

    public init(endpoints: Endpoints) { self.endpoints = endpoints }

    /// - Parameter position: where the last step of the request ended.
    public static func job(
        _ id: ID<JobKind>, _ recovery: Endpoints.Recovery, at endpoint: ID<EndpointKind>, after position: Int64,
        at now: Timestamp
    ) -> NewJob {
        let (word, since) = recovery.written
        let input: JSON = [
            "endpoint": JSON(endpoint), word: JSON(since), "after": JSON(position),
        ]
        return NewJob(
            id: id, kind: kind, lane: lane, dueAt: now, createdAt: now, input: input.bytes, subject: endpoint.text)
    }

    /// Begun anew after a crash it queues nothing twice: what waits already waits, what was delivered is left out.
    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let input = try JSON.parse(job.input)
        guard let endpoint = input["endpoint"]?.text.flatMap(ID<EndpointKind>.init),
            let recovery = Endpoints.Recovery(input), let position = input["after"]?.integer
        else { throw JobInterruption.hopeless("The job does not say what is to be sent again.") }
        guard try await endpoints.recoverAll(recovery, at: endpoint, after: position) != nil else {
            return .cancelled(reason: "The endpoint is gone.")
        }
        return .done
    }
}

extension Endpoints.Recovery {
    /// As requests and jobs write it.
    fileprivate var written: (String, Timestamp) {
        switch self {
        case .failed(let since): ("failed_since", since)
        case .missing(let since): ("missing_since", since)
        }
    }
    fileprivate init?(_ json: JSON) {
        func time(_ name: String) -> Timestamp? { json[name]?.text.flatMap(Timestamp.init(rfc3339:)) }
        if let since = time("failed_since") { self = .failed(since: since); return }
        guard let since = time("missing_since") else { return nil }
        self = .missing(since: since)
    }
}
