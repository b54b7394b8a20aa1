import Kit

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

    /// Of the faults of one platform: the first of each kind that the switches can say, and all others.
    static func read(_ faults: [JSON]) -> (switches: SandboxSwitches, others: [JSON]) {
        var (read, others) = (SandboxSwitches(), [JSON]())
        var (hasRequests, hasWebhooks) = (false, false)
        for fault in faults {
            if !hasRequests, read.takeRequests(fault) {
                hasRequests = true
            } else if !hasWebhooks, read.takeWebhooks(fault) {
                hasWebhooks = true
            } else {
                others.append(fault)
            }
        }
        return (read, others)
    }

    private static func names(of json: JSON?) -> Set<String> { Set((json?.members ?? []).map(\.name)) }

    private mutating func takeRequests(_ fault: JSON) -> Bool {
        let said = (fault["status"]?.numberText ?? "") + (fault["retry_after"] == nil ? "" : "-retry-after")
        guard Self.names(of: fault).isSubset(of: ["platform", "latency_ms", "status", "retry_after", "times", "drop"]),
            Self.errors.contains(said), ["", "before", "after"].contains(fault["drop"]?.text ?? "")
        else { return false }
        latency = fault["latency_ms"]?.numberText ?? "0"
        error = said
        times = fault["times"]?.numberText ?? ""
        drop = fault["drop"]?.text ?? ""
        return true
    }

    private mutating func takeWebhooks(_ fault: JSON) -> Bool {
        let webhooks = fault["webhooks"]
        guard Self.names(of: fault) == ["platform", "webhooks"],
            Self.names(of: webhooks).isSubset(of: ["repeat", "delay_ms", "shuffle"])
        else { return false }
        again = webhooks?["repeat"]?.numberText.map { $0.hasSuffix(".0") ? String($0.dropLast(2)) : $0 } ?? "0"
        delay = webhooks?["delay_ms"]?.numberText ?? "0"
        shuffles = webhooks?["shuffle"]?.boolean ?? false
        return true
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
