import Kit

/// A disturbance that somebody asked for: which requests it meets, and what they meet.
struct Fault: Sendable, Equatable {
    /// Where in a request's life something happens.
    enum Moment: String, Sendable {
        case before, after
        /// While the request's body is still on its way.
        case during
    }

    /// Of the webhooks of a platform.
    struct Webhooks: Sendable, Equatable {
        /// How often each is sent again: 2 for two more, 0.25 for every fourth.
        var again = 0.0
        /// Sends a few at a time in another order.
        var shuffles = false
        var delay: Duration = .zero
        /// How long ago they say that they were signed.
        var age: Duration = .zero
        /// The body is another than the one that was signed.
        var isForged = false
    }

    let platform: String
    var method: String?
    /// Whole, or with `*` for any part.
    var path: String?
    /// Requests that it still meets; nil for all.
    var times: Int?
    var latency: Duration = .zero
    /// The answer's status instead of its own.
    var status: Int?
    /// The error code of that answer, where the platform has several for a status: `lock_timeout`.
    var code: String?
    var retryAfter: String?
    var headers: [Field] = []
    /// The connection is closed without an answer.
    var drop: Moment?
    /// Bytes of the body that are read before it is closed within it.
    var dropAfterBytes = 0
    /// This text instead of the answer's body: a proxy's page, say.
    var body: String?
    /// Only the first half of the answer's body comes, as if it were whole.
    var truncates = false
    /// Whether the failing status comes before the request took effect, or after.
    var fails = Moment.before
    var webhooks: Webhooks?

    func meets(_ request: SandboxRequest, of platform: String) -> Bool {
        self.platform == platform && (method.map { $0.uppercased() == request.method } ?? true)
            && (path.map { request.path.isLike($0) } ?? true)
            && (latency > .zero || status != nil || drop != nil || body != nil || truncates)
    }
}

extension String {
    /// Whether it is a pattern's, in which each `*` stands for any text.
    func isLike(_ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map { Array($0.utf8) }
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return self == pattern }
        var rest = Array(utf8)[...]
        guard rest.starts(with: first) else { return false }
        rest = rest.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() {
            guard let start = rest.indices.first(where: { rest[$0...].starts(with: part) }) else { return false }
            rest = rest[(start + part.count)...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }
}

// MARK: As the control interface writes it

extension Fault {
    /// - Throws: `BadControl` that says which member is wrong.
    init(_ json: JSON, platforms: [String]) throws(BadControl) {
        guard let members = json.members else { throw BadControl("A fault is an object.") }
        let known = [
            "platform", "method", "path", "times", "latency_ms", "status", "code", "retry_after", "headers", "drop",
            "fails", "drop_after_bytes", "body", "truncate", "webhooks",
        ]
        for member in members where !known.contains(member.name) {
            throw BadControl("\(member.name): there is no such member. Known: \(known.joined(separator: ", ")).")
        }
        guard let platform = json.text("platform"), platforms.contains(platform) else {
            throw BadControl("platform: must be one of \(platforms.joined(separator: ", ")).")
        }
        self.platform = platform
        method = json.text("method")
        path = json.text("path")
        times = try json.whole("times", 1...1_000_000).map(Int.init)
        latency = .milliseconds(try json.whole("latency_ms", 0...120_000) ?? 0)
        code = json.text("code")
        // Some platforms answer a failure with 200; without its code it would be none.
        status = try json.whole("status", code == nil ? 400...599 : 200...599).map(Int.init)
        retryAfter = json.present("retry_after").map { $0.text ?? $0.numberText ?? "" }
        headers = (json["headers"]?.members ?? []).map { Field($0.name, $0.value.text ?? "") }
        drop = try json.moment("drop")
        dropAfterBytes = Int(try json.whole("drop_after_bytes", 0...1_000_000_000) ?? 0)
        body = json.text("body")
        truncates = json.isOn("truncate")
        fails = try json.moment("fails") ?? .before
        guard fails != .during else { throw BadControl("fails: must be before or after.") }
        if let webhooks = json.present("webhooks") { self.webhooks = try Webhooks(webhooks) }
    }

    var json: JSON {
        var members: [JSONMember] = [.init("platform", .string(platform))]
        func add(_ name: String, _ value: JSON) { if !value.isNull { members.append(.init(name, value)) } }
        add("method", JSON(method))
        add("path", JSON(path))
        add("times", JSON(times))
        add("latency_ms", latency > .zero ? JSON(latency.microseconds / 1000) : .null)
        add("status", JSON(status))
        add("code", JSON(code))
        add("retry_after", JSON(retryAfter))
        add("headers", headers.isEmpty ? .null : .object(headers.map { .init($0.name, .string($0.value)) }))
        add("drop", JSON(drop?.rawValue))
        add("drop_after_bytes", drop == .during ? JSON(dropAfterBytes) : .null)
        add("body", JSON(body))
        add("truncate", truncates ? true : .null)
        add("fails", fails == .after ? "after" : .null)
        if let webhooks {
            add(
                "webhooks",
                [
                    "repeat": .number("\(webhooks.again)"), "shuffle": .bool(webhooks.shuffles),
                    "delay_ms": JSON(webhooks.delay.microseconds / 1000),
                    "signed_seconds_ago": JSON(webhooks.age.microseconds / 1_000_000),
                    "wrong_signature": .bool(webhooks.isForged),
                ])
        }
        return .object(members)
    }
}

extension Fault.Webhooks {
    fileprivate init(_ json: JSON) throws(BadControl) {
        if let again = json.present("repeat") {
            guard let number = Double(again.numberText ?? (again.boolean == true ? "1" : "")), (0...10).contains(number)
            else { throw BadControl("webhooks.repeat: must be a number from 0 to 10.") }
            self.again = number
        }
        shuffles = json.isOn("shuffle")
        delay = .milliseconds(try json.whole("delay_ms", 0...600_000) ?? 0)
        age = .seconds(try json.whole("signed_seconds_ago", 0...31_536_000) ?? 0)
        isForged = json.isOn("wrong_signature")
    }
}

/// What is wrong with what the control interface was sent.
struct BadControl: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

extension JSON {
    func whole(_ name: String, _ range: ClosedRange<Int64>) throws(BadControl) -> Int64? {
        guard let value = present(name) else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw BadControl("\(name): must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }
    fileprivate func moment(_ name: String) throws(BadControl) -> Fault.Moment? {
        guard let value = present(name) else { return nil }
        guard let moment = value.text.flatMap(Fault.Moment.init) else {
            throw BadControl("\(name): must be before, during or after.")
        }
        return moment
    }
}
