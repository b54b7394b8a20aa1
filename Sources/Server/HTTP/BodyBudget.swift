import Synchronization

/// What all connections together may hold of webhooks' bodies, each until it is answered: anybody can send those, and
/// slowly.
///
/// The beginning of each is free. Nearly every webhook fits into it, so that whoever uses up the rest with large bodies
/// holds up only large bodies. Beginnings are bounded by the listener's bound on connections.
final class BodyBudget: Sendable {
    static let bytesMax = 64 << 20
    static let freeEach = 16 << 10

    private let held = Mutex(0)
    private let bytesMax: Int

    init(bytesMax: Int = BodyBudget.bytesMax) { self.bytesMax = bytesMax }

    /// What one body takes.
    func share() -> Share { Share(of: self) }

    /// Bytes that count, over all bodies.
    var bytes: Int { held.withLock { $0 } }

    private func take(_ count: Int) -> Bool {
        held.withLock { held in
            guard held + count <= bytesMax else { return false }
            held += count
            return true
        }
    }

    /// One body's part. Given back once, whatever became of the body.
    final class Share: Sendable {
        private let budget: BodyBudget
        private let taken = Mutex(0)

        fileprivate init(of budget: BodyBudget) { self.budget = budget }

        /// Whether there is room for so many bytes of this body in all.
        func holds(_ total: Int) -> Bool {
            taken.withLock { taken in
                let more = max(0, total - BodyBudget.freeEach) - taken
                guard more > 0 else { return true }
                guard budget.take(more) else { return false }
                taken += more
                return true
            }
        }

        func giveBack() {
            taken.withLock { taken in
                budget.held.withLock { $0 -= taken }
                taken = 0
            }
        }
    }
}
