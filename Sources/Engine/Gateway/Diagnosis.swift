import Kit

/// What may help the operator with a delivery that was not believed: never believed for it, only explained.
struct Diagnosis: Sendable {
    let routes: GatewayRoutes
    let provider: String
    let scheme: WebhookScheme
    let isLive: Bool

    /// A sentence or two; nil where nothing is known.
    func advice(on delivery: Delivery, forged: Forged, owner: String?, secrets: WebhookSecrets) async -> String? {
        // Trial proofs cost as much as the body is long, and a forger chooses how long.
        guard delivery.body.count <= BodyChange.bytesMax else { return otherAddress(delivery) }
        // What the store cannot say now is left out.
        let own = (try? await secrets.of(provider, owner: owner, scheme: scheme))?.secrets ?? []
        switch forged {
        case .missing, .malformed, .malformedBody:
            let otherwise = otherwiseSigned(delivery, own)
            if let otherwise, otherwise.isProven { return otherwise.advice }
            return await otherOwner(of: delivery, secrets) ?? otherwise?.advice ?? otherAddress(delivery)
        case .wrongSignature:
            if let change = BodyChange.all.first(where: { isProven(delivery, changedBy: $0, own) }) {
                return "With one change it would be right: \(change.what). A proxy in front does that."
            }
            if owner != nil, await isOfSettings(delivery, secrets) {
                return "It is signed with the secret from the settings: its address here is /webhooks/\(provider)."
            }
            return await otherOwner(of: delivery, secrets) ?? otherMode(delivery)
        default: return nil
        }
    }

    /// The same platform under another setting.
    private func otherwiseSigned(
        _ delivery: Delivery, _ own: [WebhookSecret]
    ) -> (advice: String, isProven: Bool)? {
        for alternative in scheme.alternatives {
            let headers = alternative.scheme.headers.map(\.signature)
            guard let seen = headers.first(where: { delivery.headers[$0] != nil }) else { continue }
            let fits = Self.isProven { () throws(Forged) in try alternative.scheme.prove(delivery, with: own) }
            let advice =
                "It carries \(seen), which belongs to \(alternative.setting)"
                + (fits ? "; with that setting it would be believed." : ".")
            return (advice, fits)
        }
        return nil
    }

    /// Another platform's delivery at this address.
    private func otherAddress(_ delivery: Delivery) -> String? {
        let here = Set(scheme.signatureHeaders.map { $0.lowercased() })
        for (other, otherScheme) in routes.others(than: provider) {
            let headers = otherScheme.signatureHeaders.filter { !Self.shared.contains($0.lowercased()) }
            guard let seen = headers.first(where: { !here.contains($0.lowercased()) && delivery.headers[$0] != nil })
            else { continue }
            return "It carries \(seen), as \(routes.name(of: other)) signs: its address here is /webhooks/\(other)."
        }
        return nil
    }

    /// Headers that many requests have and that tell nothing of their sender.
    private static let shared: Set = ["authorization", "signature", "digest", "date", "host", "x-signature"]

    /// Right at the address of another.
    private func otherOwner(of delivery: Delivery, _ secrets: WebhookSecrets) async -> String? {
        for (other, otherScheme) in routes.others(than: provider) {
            guard let owned = try? await secrets.of(other, owner: nil, scheme: otherScheme),
                Self.isProven({ () throws(Forged) in try otherScheme.prove(delivery, with: owned.secrets) })
            else { continue }
            return "It is a delivery of \(routes.name(of: other)): its address here is /webhooks/\(other)."
        }
        return nil
    }

    private func isOfSettings(_ delivery: Delivery, _ secrets: WebhookSecrets) async -> Bool {
        guard let owned = try? await secrets.of(provider, owner: nil, scheme: scheme) else { return false }
        return Self.isProven { () throws(Forged) in try scheme.prove(delivery, with: owned.secrets) }
    }

    /// What it says of itself, unproven.
    private func otherMode(_ delivery: Delivery) -> String? {
        guard scheme.marksTests, let event = (try? scheme.events(delivery))?.first, event.isTest == isLive else {
            return nil
        }
        let mode = event.isTest ? "test" : "live"
        return
            "It says that it comes from \(routes.name(of: provider))'s \(mode) mode, which has secrets of its own; "
            + "this instance is \(isLive ? "live" : "a test instance")."
    }

    private func isProven(_ delivery: Delivery, changedBy change: BodyChange, _ own: [WebhookSecret]) -> Bool {
        guard let body = change.undo(delivery.body), body != delivery.body else { return false }
        let before = Delivery(
            method: delivery.method, target: delivery.target, url: delivery.url, headers: delivery.headers, body: body,
            receivedAt: delivery.receivedAt)
        return Self.isProven { () throws(Forged) in try scheme.prove(before, with: own) }
    }

    /// Whether a proof goes through; the time that it gives may be none.
    private static func isProven(_ prove: () throws(Forged) -> Timestamp?) -> Bool {
        do { _ = try prove() } catch { return false }
        return true
    }
}

/// What proxies do to bodies, undone: if a signature fits then, it is known what happened.
struct BodyChange: Sendable {
    /// Of the body as it was sent.
    let what: String
    /// Nil where it cannot have happened.
    let undo: @Sendable ([UInt8]) -> [UInt8]?

    /// Longer bodies are not tried.
    static let bytesMax = 256 << 10

    static let all: [BodyChange] = [
        BodyChange(what: "without the line end at its end") { body in
            guard body.last == UInt8(ascii: "\n") else { return nil }
            let cut = body.dropLast()
            return Array(cut.last == UInt8(ascii: "\r") ? cut.dropLast() : cut)
        },
        BodyChange(what: "with a line end at its end") { $0 + [UInt8(ascii: "\n")] },
        BodyChange(what: "with line ends of one character") { body in
            body.contains(UInt8(ascii: "\r")) ? body.filter { $0 != UInt8(ascii: "\r") } : nil
        },
        BodyChange(what: "its JSON written without blanks") { json($0)?.bytes },
        BodyChange(what: "its characters beyond ASCII, and its slashes, written as escapes") { body in
            body.count <= bytesMax ? JSONEscapes.written(body, alsoSlashes: true) : nil
        },
        BodyChange(what: "its characters beyond ASCII written as escapes") { body in
            body.count <= bytesMax ? JSONEscapes.written(body, alsoSlashes: false) : nil
        },
    ]

    private static func json(_ body: [UInt8]) -> JSON? {
        body.count <= bytesMax ? try? JSON.parse(body) : nil  // What is no JSON was not written anew.
    }
}
