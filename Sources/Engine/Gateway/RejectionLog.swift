import Kit
public import Logging
public import Store
import Synchronization

/// Keeps what was not believed, within bounds: a forger gets counted, not stored.
///
/// The first 4 KiB, ten a second, a thousand a platform; in the maintenance lane, behind everything that matters.
public final class RejectionLog: Sendable {
    private struct State {
        var second: Int64 = 0
        var noted = 0
        var sinceTrim: [String: Int] = [:]
    }
    private static let perSecond = 10
    public static let keptOfProvider = 1000
    /// Looked at again after so many of a platform.
    private static let trimEvery = 100

    private let batcher: Batcher<Rejection, Void>
    private let database: any Database
    private let logger: Logger
    private let state = Mutex(State())

    public init(database: any Database, logger: Logger) {
        self.database = database
        self.logger = logger
        batcher = Batcher(
            "keep_rejected", in: .maintenance, of: database,
            bounds: .init(waitingMax: 100, bytesMax: 4 << 20, atOnce: 50),
            weigh: { $0.body.count + $0.headers.count + 512 },
            perform: { session, rejections in
                try session.keepRejected(rejections)
                return rejections.map { _ in }
            })
    }

    /// Notes one, or only counts it. Never waits.
    ///
    /// - Parameters:
    ///   - headers: those that carry the signature.
    ///   - advice: what may help the operator; asked only for what is noted, so that no flood pays for it.
    func note(
        _ delivery: Delivery, for provider: String, forged: Forged, id: ID<DeliveryKind>, from remote: String?,
        headers: [String], advice: @escaping @Sendable () async -> String?
    ) {
        let (isNoted, isTrimmed) = state.withLock { state in
            if state.second != delivery.receivedAt.seconds {
                (state.second, state.noted) = (delivery.receivedAt.seconds, 0)
            }
            guard state.noted < Self.perSecond else { return (false, false) }
            state.noted += 1
            state.sinceTrim[provider, default: Self.trimEvery - 1] += 1
            guard state.sinceTrim[provider, default: 0] >= Self.trimEvery else { return (true, false) }
            state.sinceTrim[provider] = 0
            return (true, true)
        }
        guard isNoted else { return }
        Task {
            let reason = [forged.reason, await advice()].compactMap { $0 }.joined(separator: " ")
            let rejection = Self.rejection(
                of: delivery, for: provider, code: forged.code, reason: reason, id: id, from: remote, headers: headers)
            await keep(rejection, trimming: isTrimmed)
        }
    }

    private static func rejection(
        of delivery: Delivery, for provider: String, code: String, reason: String, id: ID<DeliveryKind>,
        from remote: String?, headers: [String]
    ) -> Rejection {
        Rejection(
            id: id, provider: provider, receivedAt: delivery.receivedAt, code: code, reason: reason,
            method: delivery.method, target: Array(delivery.target.utf8.prefix(2048)),
            headers: Array(HeaderLines.kept(of: delivery.headers, proof: headers).prefix(Rejection.bodyMax)),
            remote: remote,
            size: delivery.body.count, body: Array(delivery.body.prefix(Rejection.bodyMax)),
            checksum: Checksum.of(Array(delivery.body.prefix(Rejection.bodyMax))))
    }

    private func keep(_ rejection: Rejection, trimming: Bool) async {
        do {
            try await batcher.submit(rejection)
            guard trimming else { return }
            let provider = rejection.provider
            try await database.set("trim_rejected", in: .maintenance) {
                try $0.trimRejected(of: provider, keeping: Self.keptOfProvider)
            }
        } catch {
            // Nothing was promised; the count in the metrics stays.
            logger.debug("rejection.not_kept", metadata: ["provider": "\(rejection.provider)", "problem": "\(error)"])
        }
    }
}
