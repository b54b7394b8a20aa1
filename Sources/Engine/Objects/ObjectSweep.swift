public import Kit
public import Logging
public import Store

/// Removes objects whose time is over, once an hour, and what a crash has left of uploads.
public struct ObjectSweep: JobWorker {
    public static let kind = "maintenance.objects"

    public var kind: String { Self.kind }
    private let objects: ObjectStore?
    private let logger: Logger

    /// - Parameter objects: nil where this node has no folder for them.
    public init(_ objects: ObjectStore?, logger: Logger) {
        self.objects = objects
        self.logger = logger
    }

    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        guard let objects else { return .done }
        let count = try await objects.sweep()
        if count > 0 { logger.info("objects.swept", metadata: ["objects": "\(count)"]) }
        return .done
    }
}
