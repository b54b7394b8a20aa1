import Kit
import Store

/// The switches of a sandbox: what the simulated platforms do, and when it is there.
///
/// In test instances and demos that name a sandbox; elsewhere the page does not exist.
enum SandboxPage {
    struct Model: Sendable {
        struct Option: Sendable {
            let value: String
            let label: String
            let isChosen: Bool
        }
        struct Platform: Sendable {
            let id: String
            let name: String
            let jack: Jack
            let facts: [Fact]
            let slow: [Option]
            let errors: [Option]
            let times: [Option]
            let drops: [Option]
            let repeats: [Option]
            let delays: [Option]
            let shuffles: Bool
            /// As JSON: what the switches cannot say.
            let others: [String]
            let hasOthers: Bool
            let samples: [String]
            /// What people do there: take their consent back, delete a post. Empty where nothing of it is played.
            let acts: [String]
            let hasActs: Bool
            /// Accounts that are connected here, as they may be named to an act.
            let accounts: [Option]
            let state: Pill
        }
        struct Fact: Sendable {
            let name: String
            let value: String
        }
        let platforms: [Platform]
        let clock: String
        let ahead: String?
        let waiting: String
        let hours: [Option]
    }

    static func pages(_ sandbox: LocalClient) -> [Page] {
        [Page(path: "/sandbox", entry: .sandbox, template: "sandbox") { try await content($0, sandbox) }]
    }

    private static func content(_ request: PageRequest, _ sandbox: LocalClient) async throws -> PageContent {
        let (state, samples) = (try await sandbox.ask(.GET, "/state"), try await sandbox.ask(.GET, "/samples"))
        let words = request.words
        let connections = try await request.app.database.read("sandbox_accounts") {
            try $0.connectionsBySoonest(ConnectionFilter(), limit: accountsMax)
        }
        var platforms: [Model.Platform] = []
        for member in state["platforms"]?.members ?? [] {
            let described = try await sandbox.ask(.GET, "/platforms/\(member.name)")
            let acts = described["acts"]?.elements?.compactMap(\.text) ?? []
            platforms.append(
                platform(member, state, samples, acts, connections.filter { $0.provider == member.name }, words))
        }
        var head = Head(words("sandbox.title"))
        head.lede = words("sandbox.lede")
        let control = sandbox.base
        let ahead = state["ahead_seconds"]?.integer ?? 0
        let model = Model(
            platforms: platforms,
            clock: state["now"]?.text.flatMap { Timestamp(rfc3339: $0) }.map { request.times.moment($0).text } ?? "?",
            ahead: ahead > 60 ? words("sandbox.ahead", ["age": words.age(.seconds(ahead))]) : nil,
            waiting: words.number(state["webhooks_waiting"]?.integer ?? 0),
            hours: [("3600", "sandbox.hour"), ("86400", "sandbox.day"), ("2678400", "sandbox.month")].map {
                Model.Option(value: $0, label: words($1), isChosen: false)
            })
        return PageContent(
            head, model,
            commands: [
                Command("curl", "curl -X PUT \(control)/faults -d '\(shown(state["faults"]))'"),
                Command("curl", "curl -X POST \(control)/clock -d '{\"advance_seconds\": 86400}'"),
                Command("CLI", "patchbay trigger stripe invoice.payment_failed"),
            ])
    }

    /// Accounts that an act is offered.
    private static let accountsMax = 100

    private static func shown(_ faults: JSON?) -> String {
        text(faults ?? .array([])).replacing("'", with: #"'\''"#)
    }

    private static func text(_ json: JSON) -> String { String(decoding: json.bytes, as: UTF8.self) }

    // MARK: Platforms

    private static func platform(
        _ member: JSONMember, _ state: JSON, _ samples: JSON, _ acts: [String], _ connections: [ConnectionRow],
        _ words: Words
    ) -> Model.Platform {
        let faults = (state["faults"]?.elements ?? []).filter { $0["platform"]?.text == member.name }
        let (set, others) = SandboxSwitches.read(faults)
        let name = Providers.webhookSources.first { $0.about.id == member.name }?.about.name ?? member.name
        let latencies = ["0", "1000", "5000", "20000", "60000", "120000"].map { text in
            (text, text == "0" ? words("sandbox.off") : words.age(.milliseconds(Int64(text) ?? 0)))
        }
        let errors = SandboxSwitches.errors.map {
            ($0, $0.isEmpty ? words("sandbox.off") : words("sandbox.error.\($0)"))
        }
        return Model.Platform(
            id: member.name, name: name, jack: Jack(name, size: "m"),
            facts: (member.value.members ?? []).map { Model.Fact(name: $0.name, value: said($0.value, words)) },
            slow: options(latencies, set.latency), errors: options(errors, set.error),
            times: options(
                [("", words("sandbox.each")), ("1", words("sandbox.once")), ("5", words("sandbox.five"))], set.times),
            drops: options(
                [
                    ("", words("sandbox.off")), ("before", words("sandbox.drop.before")),
                    ("after", words("sandbox.drop.after")),
                ], set.drop),
            repeats: options(
                [
                    ("0", words("sandbox.off")), ("0.25", words("sandbox.repeat.some")),
                    ("1", words("sandbox.repeat.all")), ("3", words("sandbox.repeat.many")),
                ], set.again),
            delays: options(
                ["0", "2000", "30000"].map { text in
                    (text, text == "0" ? words("sandbox.off") : words.age(.milliseconds(Int64(text) ?? 0)))
                }, set.delay),
            shuffles: set.shuffles, others: others.map(text), hasOthers: !others.isEmpty,
            samples: (samples[member.name]?.elements ?? []).compactMap(\.text).sorted(),
            acts: acts, hasActs: !acts.isEmpty,
            accounts: connections.map {
                Model.Option(
                    value: $0.openID, label: "\(ConnectionWords.name($0, words)) · \($0.userID)", isChosen: false)
            },
            state: faults.isEmpty
                ? Pill(.ok, words("sandbox.calm")) : Pill(.needs, words("sandbox.disturbed")))
    }

    private static func options(_ all: [(String, String)], _ chosen: String) -> [Model.Option] {
        let isKnown = all.contains { $0.0 == chosen }
        let extra = isKnown ? [] : [Model.Option(value: chosen, label: chosen, isChosen: true)]
        return all.map { Model.Option(value: $0, label: $1, isChosen: $0 == chosen) } + extra
    }

    /// `14`, `active 12, canceled 2`.
    private static func said(_ value: JSON, _ words: Words) -> String {
        if let number = value.integer { return words.number(number) }
        let parts = (value.members ?? []).map { "\($0.name) \(words.number($0.value.integer ?? 0))" }
        return parts.isEmpty ? value.text ?? "–" : parts.joined(separator: ", ")
    }

    // MARK: Forms

    static func forms(_ sandbox: LocalClient) -> [PageForm] {
        [
            PageForm(path: "/sandbox/faults") { request in
                let state = try await sandbox.ask(.GET, "/state")
                let platform = request.form["platform"] ?? ""
                let all = state["faults"]?.elements ?? []
                let elsewhere = all.filter { $0["platform"]?.text != platform }
                let own =
                    request.form["off"] == nil
                    ? SandboxSwitches(request.form).faults(of: platform)
                        + SandboxSwitches.read(all.filter { $0["platform"]?.text == platform }).others
                    : []
                _ = try await sandbox.ask(.PUT, "/faults", .array(elsewhere + own))
                return .seeOther("/sandbox", note: own.isEmpty ? "sandbox_calm" : "sandbox_set")
            },
            PageForm(path: "/sandbox/faults/add") { request in
                let state = try await sandbox.ask(.GET, "/state")
                guard let fault = try? JSON.parse(Array((request.form["fault"] ?? "").utf8)), fault.members != nil
                else {
                    throw Problem(.wrongState, #"A fault is a JSON object, such as {"path":"/v1/*","status":500}."#)
                }
                let named = JSONMember("platform", .string(request.form["platform"] ?? ""))
                let own = JSON.object([named] + (fault.members ?? []).filter { $0.name != named.name })
                _ = try await sandbox.ask(.PUT, "/faults", .array((state["faults"]?.elements ?? []) + [own]))
                return .seeOther("/sandbox", note: "sandbox_set")
            },
            PageForm(path: "/sandbox/faults/clear") { request in
                let state = try await sandbox.ask(.GET, "/state")
                var all = state["faults"]?.elements ?? []
                // One of them: the same fault may stand there twice.
                if let index = all.firstIndex(where: { text($0) == request.form["fault"] }) { all.remove(at: index) }
                _ = try await sandbox.ask(.PUT, "/faults", .array(all))
                return .seeOther("/sandbox", note: all.isEmpty ? "sandbox_calm" : "sandbox_set")
            },
        ] + worldForms(sandbox)
    }

    /// What happens in the simulated world, faults apart.
    private static func worldForms(_ sandbox: LocalClient) -> [PageForm] {
        [
            PageForm(path: "/sandbox/clock") { request in
                let seconds = request.form["advance"].flatMap { Int64($0) } ?? 0
                _ = try await sandbox.ask(.POST, "/clock", ["advance_seconds": JSON(seconds)])
                return .seeOther("/sandbox", note: "sandbox_clock")
            },
            PageForm(path: "/sandbox/send") { request in
                let wish: JSON = [
                    "platform": .string(request.form["platform"] ?? ""), "event": .string(request.form["event"] ?? ""),
                    "overrides": .object(try overrides(request.form["overrides"] ?? "")),
                ]
                _ = try await sandbox.ask(.POST, "/send", wish)
                return .seeOther("/events", note: "sandbox_sent")
            },
            PageForm(path: "/sandbox/act") { request in
                let platform = Providers.all.first { $0.about.id == request.form["platform"] }?.about.id
                guard let platform else { throw PageProblem.notFound }
                let account = (request.form["account"] ?? "").trimmingBlanks
                let named = [
                    JSONMember("act", .string(request.form["act"] ?? "")),
                    account.isEmpty ? nil : JSONMember("account", .string(account)),
                ].compactMap { $0 }
                let wish = JSON.object(named + (try overrides(request.form["details"] ?? "")))
                _ = try await sandbox.ask(.POST, "/platforms/\(platform)/acts", wish)
                return .seeOther("/sandbox", note: "sandbox_acted")
            },
            PageForm(path: "/sandbox/reset") { request in
                let story = try await sandbox.ask(.GET, "/story")
                // Another seed: the same would bring the same ids, and each event would count as a repetition.
                let seed = request.app.ids.bytes(3).reduce(Int64(0)) { $0 << 8 | Int64($1) }
                _ = try await sandbox.ask(.POST, "/reset", ["seed": JSON(seed)])
                if story["paused"]?.boolean == false { _ = try await sandbox.ask(.PUT, "/story", story) }
                return .seeOther("/sandbox", note: "sandbox_reset")
            },
        ]
    }

    /// `customer=cus_1` a line; numbers, true, false and null are what they are.
    private static func overrides(_ text: String) throws(Problem) -> [JSONMember] {
        var members: [JSONMember] = []
        for line in text.split(whereSeparator: \.isNewline).map({ String($0).trimmingBlanks }) where !line.isEmpty {
            guard let sign = line.firstIndex(of: "="), sign != line.startIndex else {
                throw Problem(.wrongState, "\(OutsideText.bounded(line, 80)): wants NAME=VALUE, such as customer=cus_1")
            }
            let value = String(line[line.index(after: sign)...])
            let parsed = try? JSON.parse(value)  // Else it is a text.
            let isPlain = parsed.map { $0.members == nil && $0.elements == nil } ?? false
            members.append(JSONMember(String(line[..<sign]), isPlain ? parsed ?? .string(value) : .string(value)))
        }
        return members
    }
}
