import Kit
import Store

/// A delivery as it was received: body, headers, bytes, as a command, or beside the one before it, by the address's
/// `view`.
struct ReceivedModel: Sendable {
    struct Tab: Sendable {
        let label: String
        let href: String
        let isChosen: Bool
    }
    let tabs: [Tab]
    let code: CodeView
    /// What Copy gives: the exact text, where it is not too long to stand in a page.
    let copy: String?
    let download: String?
    let about: String
    /// Instead of code.
    let compared: ContentDifference?
    /// The same command with the signature, or without.
    let signature: Link?

    private static let views = ["body", "headers", "bytes", "curl"]
    static let comparing = "compare"
    private static let copyMax = 12_000

    /// - Parameters:
    ///   - body: all bytes of the delivery; nil when they are no longer kept.
    ///   - payload: the part that is this event.
    ///   - target: the page's own address.
    ///   - known: what texts in the body are.
    ///   - signature: names of the headers that prove it.
    ///   - compared: beside the one before it; nil for a delivery, which is no event.
    init(
        of delivery: DeliveryRow?, body: [UInt8]?, payload: [UInt8]?, target: String, known: [String: String],
        signature: [String], compared: (() -> ContentDifference)? = nil, _ request: PageRequest
    ) {
        let (words, headers) = (request.words, delivery?.headers ?? [])
        let views = Self.views + (compared == nil ? [] : [Self.comparing])
        let asked = request.query["view"] ?? ""
        let view = views.contains(asked) ? asked : "body"
        let isSigned = request.query["signature"] == "1"
        let command = delivery.map { delivery in
            Array(
                DeliveryCommand.curl(
                    delivery, body, leavingOut: isSigned ? [] : signature,
                    at: SettingsRules.base(request.app.settings)
                ).utf8)
        }
        self.compared = view == Self.comparing ? compared?() : nil
        self.signature =
            view == "curl" && !signature.isEmpty
            ? Link(
                words(isSigned ? "received.unsigned" : "received.signed"),
                target + "?view=curl" + (isSigned ? "" : "&signature=1") + "#received") : nil
        tabs = views.map { name in
            Tab(
                label: words("received.\(name)"), href: target + (name == "body" ? "" : "?view=\(name)") + "#received",
                isChosen: name == view)
        }
        switch (view, body, payload) {
        case ("headers", _, _): code = .headers(headers, words)
        case ("curl", _, _): code = .text(command ?? [], words)
        case (_, nil, _), (_, _, nil): code = CodeView([CodeView.span("c", words("received.gone"))], words)
        case ("bytes", .some(let body), _): code = .bytes(body, words)
        case (_, _, .some(let payload)):
            // Only to be looked at: what is no JSON is shown as text.
            code =
                (try? JSON.parse(payload)).map {
                    CodeView(JSONLines($0, known: known, times: request.times).lines, words)
                } ?? .text(payload, words)
        }
        let text = view == "headers" ? headers : view == "curl" ? command : payload
        copy = text.flatMap { $0.count <= Self.copyMax ? String(validating: $0, as: UTF8.self) : nil }
        download = body == nil ? nil : "\(target)/body"
        about = body.map { words("received.about", ["n": words.number($0.count)]) } ?? words("received.gone")
    }

    static func cut(_ body: [UInt8], _ range: BodyRange) -> [UInt8]? {
        guard range.offset >= 0, range.length >= 0, range.offset + range.length <= body.count else { return nil }
        return Array(body[range.offset..<range.offset + range.length])
    }
}

/// Why a delivery was believed, or why not, step by step.
struct ProofModel: Sendable {
    let steps: [Step]
    let state: LampState
    /// For the path: `secret 2 of 2`.
    let short: String?

    init(_ found: EventPage.Found, _ request: PageRequest) {
        let (words, event) = (request.words, found.event)
        guard let delivery = found.delivery, let body = found.body, let scheme = found.scheme else {
            var step = Step(.ok, words("proof.believed"))
            step.why = words("proof.gone")
            (steps, state, short) = ([step], .ok, nil)
            return
        }
        guard !delivery.flags.contains("listed") else {
            steps = [Step(.ok, words("proof.listed", ["name": ProviderNames.of(event.provider)]))]
            (state, short) = (.ok, words("proof.listed_short"))
            return
        }
        let address = SettingsRules.base(request.app.settings)
        let proof = scheme.explained(Self.delivery(delivery, body, at: address), with: found.secrets)
        var steps = proof.map { Self.step($0, scheme, request) }
        var last = Step(.ok, words("proof.new"))
        last.when = event.duplicates > 0 ? words.count("events.repeats", Int(event.duplicates)) : nil
        steps.append(last)
        self.steps = steps
        // It was believed when it came, whatever the secrets are by now.
        state = .ok
        short =
            proof.compactMap { step -> String? in
                guard case .signature(_, let secret?, let count) = step.check else { return nil }
                return words("proof.secret", ["n": words.number(secret), "of": words.number(count)])
            }.first ?? words("proof.believed_short")
    }

    /// Of a delivery that was refused: what it failed at, as it was found then.
    init(refused delivery: DeliveryRow, _ request: PageRequest) {
        let words = request.words
        let what = EventWords.refusal(delivery.code, words)
        var failed = Step(.failed, what.prefix(1).uppercased() + what.dropFirst())
        failed.why = delivery.reason
        let isOfHeaders = ["missing_header", "repeated_header", "malformed_header", "malformed_body", "not_covered"]
            .contains(
                delivery.code)
        let isOfAge = ["too_old", "too_far_ahead"].contains(delivery.code)
        let passed = [Step(.ok, words("proof.headers"))] + (isOfAge ? [Step(.ok, words("proof.signature"))] : [])
        steps = (isOfHeaders ? [] : passed) + [failed, Step(.todo, words("proof.not_kept"))]
        (state, short) = (.failed, nil)
    }

    private static func delivery(_ row: DeliveryRow, _ body: [UInt8], at address: String) -> Delivery {
        let headers = row.headers.split(separator: 0x0A).compactMap { line -> Field? in
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            return Field(
                String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1].dropFirst(), as: UTF8.self))
        }
        let target = row.calledTarget(body)
        return Delivery(
            method: row.method, target: target, url: address + target, headers: headers, body: body,
            receivedAt: row.receivedAt)
    }

    private static func step(_ proof: ProofStep, _ scheme: WebhookScheme, _ request: PageRequest) -> Step {
        let words = request.words
        let state: LampState =
            switch proof.outcome {
            case .passed: .ok
            case .failed: .unknown
            case .notReached: .todo
            }
        switch proof.check {
        case .headers(let names):
            var step = Step(state, words("proof.headers"))
            step.code = names.joined(separator: ", ")
            return step
        case .signature(let algorithm, let secret, let count):
            guard let secret else {
                var step = Step(state, words("proof.secret_changed"))
                step.why = words("proof.secret_changed_why", ["n": words.number(count)])
                return step
            }
            var step = Step(state, words("proof.agrees", ["algorithm": algorithm]))
            step.when = words("proof.secret", ["n": words.number(secret), "of": words.number(count)])
            step.why = words("proof.over")
            return step
        case .age(let age, let allowed, let isLate):
            var step = Step(isLate ? .waiting : state, words("proof.age", ["age": words.took(age)]))
            step.when = words("proof.limit", ["n": words.number(allowed.components.seconds)])
            step.why = isLate ? words("proof.late") : nil
            return step
        }
    }
}
