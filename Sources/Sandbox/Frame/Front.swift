import Kit

/// Stands before a simulated platform: disturbs requests where it is told to, and counts what took effect.
struct Front: Sendable {
    let platform: any Platform
    let keeper: Keeper
    let switches: Switches

    /// Nil closes the connection without an answer.
    func answer(_ request: SandboxRequest) async -> SandboxAnswer? {
        let twin = platform.twin(request)
        if let twin, !switches.begin(twin.key) { return twin.answer }
        defer { if let twin { switches.end(twin.key) } }
        guard let fault = switches.fault(for: request, of: platform.id) else { return work(request, failing: nil) }
        return await disturbed(request, by: fault)
    }

    private func disturbed(_ request: SandboxRequest, by fault: Fault) async -> SandboxAnswer? {
        var answer: SandboxAnswer?
        if fault.drop == .before {
            answer = nil
        } else if let status = fault.status, fault.fails == .before {
            answer = platform.failure(status)
        } else {
            answer = work(request, failing: fault.status)
        }
        // The work is done by now: whoever gives up waiting has had the effect all the same.
        if fault.latency > .zero { try? await Task.sleep(for: fault.latency) }  // Cancelled: nobody waits any more.
        guard fault.drop == nil else { return nil }
        if let retryAfter = fault.retryAfter { answer?.headers.append(Field("Retry-After", retryAfter)) }
        answer?.headers += fault.headers
        return answer
    }

    private func work(_ request: SandboxRequest, failing: Int?) -> SandboxAnswer {
        do {
            return try keeper.turn { world throws(Refused) in
                try platform.answer(request, in: world, failing: failing)
            }
        } catch {
            return error.answer
        }
    }
}
