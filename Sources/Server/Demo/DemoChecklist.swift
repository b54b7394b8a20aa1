import Kit

/// The first steps of a demo, on Now. Each ticks itself by what has happened, whoever did it.
enum DemoChecklist {
    /// Nil where the demo does not answer: then Now is as in any other server.
    static func make(_ demo: LocalClient, language: String) async -> Checklist? {
        guard let json = try? await demo.ask(.GET, "/state") else { return nil }  // As said above.
        return checklist(DemoState(json), Words.of(Words.Language(rawValue: language) ?? .english))
    }

    static func checklist(_ state: DemoState, _ words: Words) -> Checklist {
        Checklist(
            words("demo.title"),
            [payment(state, words), event(state, words), retries(state, words), kill(state, words)]
                + [month(state, words), mine(state, words)])
    }

    private static func payment(_ state: DemoState, _ words: Words) -> Checklist.Step {
        let done = state.failedPayment
        return Checklist.Step(
            words("demo.payment"),
            why: done.map { words("demo.payment_done", ["who": $0.who]) } ?? words("demo.payment_why"),
            isDone: done != nil, href: done.map { "/events/\($0.event)" }, action: "/demo/fail-payment",
            actionLabel: words("demo.payment_act"))
    }

    private static func event(_ state: DemoState, _ words: Words) -> Checklist.Step {
        Checklist.Step(
            words("demo.open"), why: words(state.openedEvent == nil ? "demo.open_why" : "demo.open_done"),
            isDone: state.openedEvent != nil, href: state.openedEvent.map { "/events/\($0)" }, action: "/demo/open",
            actionLabel: words("demo.open_act"))
    }

    private static func retries(_ state: DemoState, _ words: Words) -> Checklist.Step {
        var why = words("demo.break_why")
        if let broken = state.broken {
            let numbers = ["n": words.number(broken.failed), "m": words.number(broken.delivered)]
            why = words(
                state.isBroken ? "demo.break_now" : state.isRetried ? "demo.break_done" : "demo.break_mended", numbers)
        }
        return Checklist.Step(
            words("demo.break"), why: why, isDone: state.isRetried && !state.isBroken,
            href: "/endpoints/\(state.endpoint)", action: state.isBroken ? "/demo/mend" : "/demo/break",
            actionLabel: words(state.isBroken ? "demo.mend_act" : "demo.break_act"))
    }

    private static func kill(_ state: DemoState, _ words: Words) -> Checklist.Step {
        var why = words("demo.kill_why")
        if state.isKilling {
            why = words("demo.kill_now")
        } else if let killed = state.killed {
            why = words(
                "demo.kill_done",
                [
                    "n": words.number(killed.acknowledged), "m": words.number(killed.found),
                    "took": words.took(killed.down),
                ])
        }
        let isWell = state.killed.map { $0.found == $0.acknowledged } ?? false
        return Checklist.Step(
            words("demo.kill"), why: why, isDone: isWell && !state.isKilling, action: "/demo/kill",
            actionLabel: words("demo.kill_act"))
    }

    private static func month(_ state: DemoState, _ words: Words) -> Checklist.Step {
        Checklist.Step(
            words("demo.month"),
            why: state.monthRan.map { words("demo.month_done", ["n": words.number($0)]) } ?? words("demo.month_why"),
            isDone: state.monthRan != nil, href: state.monthRan == nil ? nil : "/events", action: "/demo/advance",
            actionLabel: words("demo.month_act"))
    }

    private static func mine(_ state: DemoState, _ words: Words) -> Checklist.Step {
        Checklist.Step(
            words("demo.mine"), why: words(state.hasMine ? "demo.mine_done" : "demo.mine_why"), isDone: state.hasMine,
            href: "/demo/mine")
    }
}
