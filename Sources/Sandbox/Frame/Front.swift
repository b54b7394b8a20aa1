import Kit

/// Stands before a simulated platform: disturbs requests where it is told to, and counts what took effect.
struct Front: Sendable {
    let platform: any Platform
    let keeper: Keeper
    let switches: Switches

    /// How the body of a request is taken. One that shall be cut off within it meets its fault here.
    func intake(_ head: SandboxRequest) -> Intake {
        if let fault = switches.fault(for: head, of: platform.id, within: true) {
            return .cut(after: fault.dropAfterBytes)
        }
        return keeper.turn { platform.intake(head, in: $0) }
    }

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
        let wish = fault.status.map { FailureWish(status: $0, code: fault.code) }
        if fault.drop == .before {
            answer = nil
        } else if let wish, fault.fails == .before {
            answer = platform.failure(wish, of: request)
        } else {
            answer = work(request, failing: wish)
        }
        // The work is done by now: whoever gives up waiting has had the effect all the same.
        if fault.latency > .zero { try? await Task.sleep(for: fault.latency) }  // Cancelled: nobody waits any more.
        guard fault.drop == nil else { return nil }
        if let body = fault.body {
            answer?.body = Array(body.utf8)
            answer?.headers = [Field("Content-Type", "text/html; charset=utf-8")]
        }
        if fault.truncates, let body = answer?.body { answer?.body = Array(body.prefix(body.count / 2)) }
        if let retryAfter = fault.retryAfter { answer?.headers.append(Field("Retry-After", retryAfter)) }
        answer?.headers += fault.headers
        return answer
    }

    private func work(_ request: SandboxRequest, failing: FailureWish?) -> SandboxAnswer {
        do {
            return try keeper.turn { world throws(Refused) in
                try platform.answer(request, in: world, failing: failing)
            }
        } catch {
            return error.answer
        }
    }
}
