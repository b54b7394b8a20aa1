import Kit
import Synchronization

/// Faults that are on, and requests that are being answered; both end with the process.
final class Switches: Sendable {
    private struct State {
        var faults: [Fault] = []
        var running: Set<String> = []
        /// Webhooks seen, so that every fourth can be told.
        var webhooks: [String: Int] = [:]
    }
    private let state = Mutex(State())

    var faults: [Fault] { state.withLock { $0.faults } }
    func set(_ faults: [Fault]) { state.withLock { $0.faults = faults } }

    /// The first fault that meets a request; one use of it is gone then.
    /// - Parameter within: whether it is one that cuts the request's body off, which is met before all others.
    func fault(for request: SandboxRequest, of platform: String, within: Bool = false) -> Fault? {
        state.withLock { state in
            let place = state.faults.firstIndex { $0.meets(request, of: platform) && ($0.drop == .during) == within }
            guard let index = place else { return nil }
            let fault = state.faults[index]
            if let times = fault.times {
                if times > 1 { state.faults[index].times = times - 1 } else { state.faults.remove(at: index) }
            }
            return fault
        }
    }

    /// What the webhooks of a platform meet.
    func webhooks(of platform: String) -> Fault.Webhooks? {
        state.withLock { $0.faults.last { $0.platform == platform && $0.webhooks != nil }?.webhooks }
    }

    /// Whether nobody else answers this now; `end` must follow.
    func begin(_ key: String) -> Bool { state.withLock { $0.running.insert(key).inserted } }
    func end(_ key: String) { state.withLock { _ = $0.running.remove(key) } }
}
