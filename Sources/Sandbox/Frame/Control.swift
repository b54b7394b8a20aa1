import Kit

/// The sandbox's own interface: switches, clock, story, effects, reset. docs/sandbox.md describes it.
struct Control: Sendable {
    let keeper: Keeper
    let platforms: [any Platform]
    let switches: Switches
    let post: Post
    let clock: Clock
    let reset: @Sendable (UInt64?) -> Void

    func answer(_ request: SandboxRequest) -> SandboxAnswer {
        if let refusal = Self.stranger(request) { return Self.problem(403, refusal) }
        do {
            return try route(request)
        } catch {
            return Self.problem(400, error.sentence)
        }
    }

    private func route(_ request: SandboxRequest) throws(BadControl) -> SandboxAnswer {
        switch (request.method, request.path) {
        case ("GET", "/"), ("GET", "/state"): return SandboxAnswer(200, state)
        case ("GET", "/effects"): return SandboxAnswer(200, effects)
        case ("GET", "/effects/keys"): return SandboxAnswer(200, effectsByKey)
        case ("GET", "/faults"): return faults
        case ("PUT", "/faults"): return try setFaults(try Self.json(request))
        case ("GET", "/clock"): return SandboxAnswer(200, time)
        case ("POST", "/clock"): return try advance(try Self.json(request))
        case ("GET", "/story"): return SandboxAnswer(200, keeper.turn { Story.pace(in: $0).json })
        case ("PUT", "/story"): return try setStory(try Self.json(request))
        case ("GET", "/webhooks"): return SandboxAnswer(200, ["data": .array(post.recent)])
        case ("GET", "/webhooks/acknowledged"): return SandboxAnswer(200, acknowledged(request.query))
        case ("GET", "/samples"): return SandboxAnswer(200, samples)
        case ("POST", "/send"): return try send(try Self.json(request))
        case ("POST", "/secrets/roll"): return try roll(try Self.json(request))
        case ("POST", "/reset"):
            let json = try Self.json(request)
            reset(try json.whole("seed", 0...Int64.max).map(UInt64.init))
            return SandboxAnswer(204)
        default: return try ofPlatform(request)
        }
    }

    /// `/platforms/{id}`, `/platforms/{id}/settings`, `/platforms/{id}/acts`.
    private func ofPlatform(_ request: SandboxRequest) throws(BadControl) -> SandboxAnswer {
        let path = request.path.split(separator: "/").map(String.init)
        if path.count >= 2, path[0] == "platforms", let platform = platforms.first(where: { $0.id == path[1] }) {
            switch (request.method, path.dropFirst(2).joined(separator: "/")) {
            case ("GET", ""): return SandboxAnswer(200, described(platform))
            case ("GET", "settings"): return SandboxAnswer(200, keeper.turn { $0.settings(of: platform) })
            case ("PUT", "settings"):
                let json = try Self.json(request)
                return SandboxAnswer(
                    200,
                    try keeper.turn { world throws(BadControl) in
                        try world.set(json, of: platform)
                        return world.settings(of: platform)
                    })
            case ("POST", "acts"): return try perform(try Self.json(request), at: platform)
            default: break
            }
        }
        return Self.problem(
            404, "\(request.method) \(request.path): there is no such thing here. See docs/sandbox.md.")
    }

    private func described(_ platform: any Platform) -> JSON {
        keeper.turn { world in
            [
                "settings": .array(platform.settings.map { $0.described(as: world.setting($0, of: platform.id)) }),
                "acts": .array(platform.acts.map { .string($0) }),
            ]
        }
    }

    private func perform(_ json: JSON, at platform: any Platform) throws(BadControl) -> SandboxAnswer {
        guard let act = json.text("act"), platform.acts.contains(act) else {
            throw BadControl("act: must be one of \(platform.acts.joined(separator: ", ")).")
        }
        return SandboxAnswer(
            200, try keeper.turn { world throws(BadControl) in try platform.perform(act, json, in: world) })
    }

    // MARK: What is

    private var state: JSON {
        let (waiting, faults) = (post.waiting, switches.faults)
        return keeper.turn { world in
            [
                "seed": JSON(world.seed.value), "now": JSON(Timestamp(seconds: world.now)),
                "ahead_seconds": JSON(world.ahead), "faults": .array(faults.map(\.json)),
                "story": Story.pace(in: world).json, "webhooks_waiting": JSON(waiting),
                "platforms": .object(platforms.map { JSONMember($0.id, $0.summary(of: world)) }),
            ]
        }
    }

    private var effects: JSON {
        let counters = keeper.turn { $0.counters }
        return .object(
            platforms.map { platform in
                let own = counters.filter { $0.key.hasPrefix(platform.id + " ") }.sorted { $0.key < $1.key }
                return JSONMember(
                    platform.id,
                    .object(own.map { JSONMember(String($0.key.dropFirst(platform.id.count + 1)), JSON($0.value)) }))
            })
    }

    private var effectsByKey: JSON {
        keeper.turn { world in .object(platforms.map { JSONMember($0.id, $0.effectsByKey(in: world)) }) }
    }

    private var faults: SandboxAnswer { SandboxAnswer(200, .array(switches.faults.map(\.json))) }
    private var time: JSON {
        keeper.turn { ["now": JSON(Timestamp(seconds: $0.now)), "ahead_seconds": JSON($0.ahead)] }
    }
    private var samples: JSON {
        .object(platforms.map { JSONMember($0.id, .array($0.samples.map { .string($0.type) })) })
    }

    /// `after=120`: from the 121st acknowledgement of this process on.
    private func acknowledged(_ query: String) -> JSON {
        let after = query.split(separator: "&").first { $0.hasPrefix("after=") }.flatMap { Int($0.dropFirst(6)) }
        let (page, next) = post.acknowledged(after: max(0, after ?? 0))
        return [
            "data": .array(page.map { ["event": .string($0.event), "url": .string($0.url)] }), "next": JSON(next),
        ]
    }

    // MARK: What is done

    /// More switches than anyone sets.
    private static let faultsMax = 100

    private func setFaults(_ json: JSON) throws(BadControl) -> SandboxAnswer {
        guard let list = json.elements, list.count <= Self.faultsMax else {
            throw BadControl("A list of at most \(Self.faultsMax) faults is wanted: [{\"platform\": \"stripe\", …}].")
        }
        var faults: [Fault] = []
        for fault in list { faults.append(try Fault(fault, platforms: platforms.map(\.id))) }
        switches.set(faults)
        return self.faults
    }

    private func advance(_ json: JSON) throws(BadControl) -> SandboxAnswer {
        guard let seconds = try json.whole("advance_seconds", 1...Clock.secondsMax) else {
            throw BadControl("advance_seconds: is missing.")
        }
        let count = clock.advance(seconds)
        return SandboxAnswer(200, time.with("ran", JSON(count)))
    }

    private func setStory(_ json: JSON) throws(BadControl) -> SandboxAnswer {
        var rate: Double?
        if let said = json.present("rate") {
            guard let number = said.numberText.flatMap(Double.init),
                number == 0 || (Story.rateMin...Story.rateMax).contains(number)
            else { throw BadControl("rate: must be a number of events a second: 0, or from 0.001 to 1000.") }
            rate = number
        }
        let pace = keeper.turn { world in
            var pace = Story.pace(in: world)
            pace.rate = rate ?? pace.rate
            pace.isPaused = json["paused"]?.boolean ?? false
            Story.set(pace, in: world)
            return pace
        }
        post.pace(pace)
        return SandboxAnswer(200, pace.json)
    }

    private func send(_ json: JSON) throws(BadControl) -> SandboxAnswer {
        guard let platform = platforms.first(where: { $0.id == json.text("platform") }) else {
            throw BadControl("platform: must be one of \(platforms.map(\.id).joined(separator: ", ")).")
        }
        guard let sample = platform.samples.first(where: { $0.type == json.text("event") }) else {
            throw BadControl("event: must be one of \(platform.samples.map(\.type).joined(separator: ", ")).")
        }
        return try keeper.turn { world throws(BadControl) in
            let seed = Seed(value: UInt64(world.choice(.max)))
            var event = sample.make(.drawn(from: seed, at: Timestamp(seconds: world.now)))
            for member in json["overrides"]?.members ?? [] {
                do throws(SandboxFault) {
                    try sample.change(&event, member.name, member.value)
                } catch { throw BadControl("overrides: \(error.description)") }
            }
            let id = platform.keep(event, in: world)
            let sent = world.mail(id, type: sample.type, lane: id, from: platform)
            return SandboxAnswer(202, ["event": .string(id), "endpoints": JSON(sent)])
        }
    }

    private func roll(_ json: JSON) throws(BadControl) -> SandboxAnswer {
        guard let platform = platforms.first(where: { $0.id == json.text("platform") }) else {
            throw BadControl("platform: must be one of \(platforms.map(\.id).joined(separator: ", ")).")
        }
        let overlap = try json.whole("overlap_seconds", 0...86_400) ?? 0
        let until = keeper.realNow + .seconds(overlap)
        let rolled = keeper.turn { platform.roll(json.text("endpoint"), oldUntil: until, in: $0) }
        guard let rolled else { throw BadControl("endpoint: there is no such webhook endpoint.") }
        return SandboxAnswer(200, ["endpoint": .string(rolled.endpoint), "secret": .string(rolled.secret)])
    }

    // MARK: Who asks

    /// Why a request is not this machine's own. A page of another site can make a browser send requests here, so what
    /// a browser says about where it comes from must be this address; a name that points here is not enough.
    static func stranger(_ request: SandboxRequest) -> String? {
        guard let host = request.headers["Host"], isLoopback("http://" + host) else {
            return "The sandbox answers to the names of loopback only."
        }
        if let origin = request.headers["Origin"], origin != request.base, origin != "http://" + host {
            return "A page of \(OutsideText.bounded(origin, 100)) may not drive the sandbox."
        }
        if let site = request.headers["Sec-Fetch-Site"], !["same-origin", "none"].contains(site) {
            return "A page of another site may not drive the sandbox."
        }
        return nil
    }

    private static func json(_ request: SandboxRequest) throws(BadControl) -> JSON {
        if request.body.isEmpty { return .object([]) }
        do { return try JSON.parse(request.body) } catch { throw BadControl(error.sentence) }
    }

    static func problem(_ status: Int, _ detail: String) -> SandboxAnswer {
        var answer = SandboxAnswer(status, ["title": "Not done", "status": JSON(status), "detail": .string(detail)])
        answer.headers = [Field("Content-Type", "application/problem+json")]
        return answer
    }
}
