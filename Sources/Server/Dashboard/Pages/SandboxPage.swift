import Kit

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
            let samples: [String]
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
        var head = Head(words("sandbox.title"))
        head.lede = words("sandbox.lede")
        let control = sandbox.base
        let ahead = state["ahead_seconds"]?.integer ?? 0
        let model = Model(
            platforms: (state["platforms"]?.members ?? []).map { platform($0, state, samples, words) },
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

    private static func shown(_ faults: JSON?) -> String {
        String(decoding: (faults ?? .array([])).bytes, as: UTF8.self).replacing("'", with: #"'\''"#)
    }

    // MARK: Platforms

    private static func platform(
        _ member: JSONMember, _ state: JSON, _ samples: JSON, _ words: Words
    ) -> Model.Platform {
        let set = SandboxSwitches(state["faults"]?.elements ?? [], of: member.name)
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
            shuffles: set.shuffles, samples: (samples[member.name]?.elements ?? []).compactMap(\.text).sorted(),
            state: set.isOff
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
                let others = (state["faults"]?.elements ?? []).filter { $0["platform"]?.text != platform }
                let own = request.form["off"] == nil ? SandboxSwitches(request.form).faults(of: platform) : []
                _ = try await sandbox.ask(.PUT, "/faults", .array(others + own))
                return .seeOther("/sandbox", note: own.isEmpty ? "sandbox_calm" : "sandbox_set")
            },
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

/// The switches of one platform, as the form has them and as the sandbox takes them.
struct SandboxSwitches: Sendable, Equatable {
    static let errors = ["", "500", "503", "429", "429-retry-after"]

    var latency = "0"
    var error = ""
    /// Requests that are met; empty for each.
    var times = ""
    var drop = ""
    var again = "0"
    var delay = "0"
    var shuffles = false

    var isOff: Bool { self == SandboxSwitches() }

    /// Of a form.
    init(_ form: [String: String]) {
        func number(_ name: String, or usual: String) -> String {
            guard let value = form[name].flatMap(Double.init), (0...1_000_000).contains(value) else { return usual }
            return value == value.rounded() ? String(Int(value)) : String(value)
        }
        latency = number("latency", or: "0")
        error = form["error"].flatMap { Self.errors.contains($0) ? $0 : nil } ?? ""
        times = number("times", or: "")
        drop = form["drop"].flatMap { ["before", "after"].contains($0) ? $0 : nil } ?? ""
        again = number("repeat", or: "0")
        delay = number("delay", or: "0")
        shuffles = form["shuffle"] != nil
    }

    private init() {}

    /// Of the list that a sandbox shows: the platform's first of each kind.
    init(_ faults: [JSON], of platform: String) {
        self.init()
        let own = faults.filter { $0["platform"]?.text == platform }
        if let requests = own.first(where: { $0["webhooks"] == nil }) {
            latency = requests["latency_ms"]?.numberText ?? "0"
            error = requests["status"]?.numberText ?? ""
            if requests["retry_after"] != nil { error += "-retry-after" }
            times = requests["times"]?.numberText ?? ""
            drop = requests["drop"]?.text ?? ""
        }
        if let webhooks = own.first(where: { $0["webhooks"] != nil })?["webhooks"] {
            again = webhooks["repeat"]?.numberText.map { $0.hasSuffix(".0") ? String($0.dropLast(2)) : $0 } ?? "0"
            delay = webhooks["delay_ms"]?.numberText ?? "0"
            shuffles = webhooks["shuffle"]?.boolean ?? false
        }
    }

    /// What the sandbox is told; nothing where all is off.
    func faults(of platform: String) -> [JSON] {
        var faults: [JSON] = []
        if latency != "0" || !error.isEmpty || !drop.isEmpty {
            var members = [JSONMember("platform", .string(platform))]
            if latency != "0" { members.append(.init("latency_ms", .number(latency))) }
            let parts = error.split(separator: "-", maxSplits: 1)
            if let status = parts.first { members.append(.init("status", .number(String(status)))) }
            if parts.count > 1 { members.append(.init("retry_after", "5")) }
            if !times.isEmpty { members.append(.init("times", .number(times))) }
            if !drop.isEmpty { members.append(.init("drop", .string(drop))) }
            faults.append(.object(members))
        }
        if again != "0" || delay != "0" || shuffles {
            faults.append([
                "platform": .string(platform),
                "webhooks": ["repeat": .number(again), "delay_ms": .number(delay), "shuffle": .bool(shuffles)],
            ])
        }
        return faults
    }
}
