import Kit
import Store

/// What `doctor` finds, in words, with what to do.
enum HealthPage {
    struct Model: Sendable {
        struct Row: Sendable {
            let lamp: Lamp
            let word: String
            let name: String
            let sentence: String
            let advice: String?
            /// What of the advice can be pasted.
            let command: Command?
        }
        let tabs: [Tab]
        let durability: String
        let durable: Pill
        let rows: [Row]
        let checked: TimeModel
        let asks: Bool
        let asked: Asked?
    }

    /// What the platforms said when they were asked.
    struct Asked: Sendable {
        /// Since when they are being asked; nil once all have answered.
        let running: TimeModel?
        let rows: [Model.Row]
        let at: TimeModel?
    }

    static let page = Page(
        path: "/system", entry: .system, template: "system-health", fragments: ["system-asked"], every: .seconds(3)
    ) { request in
        let words = request.words
        let health = try await request.app.database.health()
        let found = await request.app.checkup.findings()
        let worst = found.findings.map(\.verdict)
        let lede =
            worst.contains(.failed)
            ? words.count("health.failed", worst.count { $0 == .failed })
            : worst.contains(.warning)
                ? words.count("health.warned", worst.count { $0 == .warning }) : words("health.well")
        var head = SystemTab.head(.health, words, lede: lede)
        if request.mayAct {
            var again = HeadAction(words("health.again"), "/system/check")
            again.isForm = true
            head.actions = [again]
            if request.app.asking != nil {
                var ask = HeadAction(words("health.ask"), "/system/ask")
                ask.isForm = true
                head.actions.append(ask)
            }
        }
        return PageContent(
            head,
            Model(
                tabs: SystemTab.tabs(.health, words), durability: words("health.policy", ["policy": health.durability]),
                durable: Pill(
                    health.isDurable ? .ok : .failed,
                    words(health.isDurable ? "health.durable" : "health.not_durable")),
                rows: found.findings.sorted { weight($0.verdict) < weight($1.verdict) }.map { row($0, words) },
                checked: request.times.moment(found.at), asks: request.app.asking != nil,
                asked: await asked(request)),
            commands: [
                Command("CLI", "patchbay doctor --online"),
                Command("curl", "curl \(request.app.settings.browserAddress)/readyz"),
            ])
    }

    static let form = PageForm(path: "/system/check") { request in
        _ = await request.app.checkup.findings(anew: true)
        return .seeOther("/system", note: "checked")
    }

    static let ask = PageForm(path: "/system/ask") { request in
        guard let asking = request.app.asking else { throw PageProblem.notFound }
        await asking.begin()
        return .seeOther("/system#asked", note: "asking")
    }

    private static func asked(_ request: PageRequest) async -> Asked? {
        let (words, times) = (request.words, request.times)
        switch await request.app.asking?.state {
        case nil, .never: return nil
        case .running(let since): return Asked(running: times.clock(since), rows: [], at: nil)
        case .done(let findings, let at):
            return Asked(
                running: nil, rows: findings.sorted { weight($0.verdict) < weight($1.verdict) }.map { row($0, words) },
                at: times.moment(at))
        }
    }

    private static func weight(_ verdict: Finding.Verdict) -> Int {
        switch verdict {
        case .failed: 0
        case .warning: 1
        case .ok: 2
        case .off: 3
        }
    }

    static func row(_ finding: Finding, _ words: Words) -> Model.Row {
        let lamp: LampState =
            switch finding.verdict {
            case .ok: .ok
            case .off: .todo
            case .warning: .needs
            case .failed: .failed
            }
        return Model.Row(
            lamp: Lamp(lamp), word: words("health.verdict.\(finding.verdict.rawValue)"), name: finding.name,
            sentence: finding.sentence, advice: finding.advice,
            command: finding.advice.flatMap(command(in:)).map { Command(nil, $0) })
    }

    /// What an advice tells to run or to set: from `patchbay …`, `swift …` or `NAME=value` to its end.
    static func command(in advice: String) -> String? {
        if let match = advice.firstMatch(of: /(?:patchbay|swift) [a-z][a-z0-9 =.-]*$/) { return String(match.0) }
        return advice.firstMatch(of: /[A-Z][A-Z0-9_]{6,}=\S+/).map { String($0.0) }
    }
}
