public import Kit
public import Logging
import NIOPosix
public import Store

/// Stores the bytes of deliveries compressed, once they are an hour old: what is new is read often.
public struct CompressionWorker: JobWorker {
    public static let kind = "maintenance.compression"
    private static let age = Duration.hours(1)
    private static let rowsAtOnce = 200
    private static let bytesAtOnce = 2 << 20
    /// In one run; what is left goes with the next.
    private static let roundsMax = 5000

    public var kind: String { Self.kind }
    private let database: any Database
    private let time: TimeSource
    private let logger: Logger

    public init(database: any Database, time: TimeSource, logger: Logger) {
        self.database = database
        self.time = time
        self.logger = logger
    }

    /// Once an hour.
    public static func schedule(firstAt: Timestamp) -> NewSchedule {
        NewSchedule(name: kind, kind: kind, lane: RetentionWorker.lane, every: .hours(1), firstAt: firstAt)
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let before = time.now() - Self.age
        var (count, came, stored) = (0, 0, 0)
        for _ in 0..<Self.roundsMax {
            let part = try await database.read("bodies_loose") {
                try $0.looseBodies(before: before, limit: Self.rowsAtOnce, bytesMax: Self.bytesAtOnce)
            }
            guard let last = part.last else { break }
            let packed = try await Self.pack(part.bodies)
            count += try await database.set("bodies_compressed", in: .maintenance) {
                try $0.compress(packed, upTo: last)
            }
            came += packed.reduce(0) { $0 + $1.body.bytes.count }
            stored += packed.reduce(0) { $0 + $1.stored.count }
            try await time.sleep(.milliseconds(5))  // Lets others go first.
        }
        if count > 0 {
            logger.info("bodies.compressed", metadata: ["rows": "\(count)", "from": "\(came)", "to": "\(stored)"])
        }
        return .done
    }

    /// Beside the threads that serve: a large body takes longer than a request may wait.
    private static func pack(_ bodies: [LooseBody]) async throws -> [(body: LooseBody, stored: [UInt8])] {
        guard !bodies.isEmpty else { return [] }
        return try await NIOThreadPool.singleton.runIfActive {
            bodies.compactMap { body in BodyCoding.compressed(body.bytes).map { (body, $0) } }
        }
    }
}
