public import Kit
public import Store

/// Goes on with a recovery that is too large for the request that asked for it.
public struct RecoveryWorker: JobWorker {
    public static let kind = "endpoint.recover"
    private static let lane = Lane("recover", .event)

    public var kind: String { Self.kind }
    private let endpoints: Endpoints

    public init(endpoints: Endpoints) { self.endpoints = endpoints }

    /// - Parameters:
    ///   - position: where the last step of the request ended.
    ///   - already: how many its steps queued.
    public static func job(
        _ id: ID<JobKind>, _ recovery: Endpoints.Recovery, at endpoint: ID<EndpointKind>, after position: Int64,
        already: Int, at now: Timestamp
    ) -> NewJob {
        let input = JSON.object(
            (recovery.json.members ?? []) + [
                JSONMember("endpoint", JSON(endpoint)), JSONMember("after", JSON(position)),
                JSONMember("queued", JSON(already)),
            ])
        return NewJob(
            id: id, kind: kind, lane: lane, dueAt: now, createdAt: now, input: input.bytes, subject: endpoint.text)
    }

    /// Begun anew after a crash it queues nothing twice: what waits already waits, what was delivered is left out.
    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let input = try JSON.parse(job.input)
        guard let endpoint = input["endpoint"]?.text.flatMap(ID<EndpointKind>.init),
            let recovery = Endpoints.Recovery(input, at: job.createdAt), let position = input["after"]?.integer
        else { throw JobInterruption.hopeless("The job does not say what is to be sent again.") }
        let already = Int(input["queued"]?.integer ?? 0)
        guard try await endpoints.recoverAll(recovery, at: endpoint, after: position, already: already) != nil else {
            return .cancelled(reason: "The endpoint is gone.")
        }
        return .done
    }
}
