import Engine
import Kit
import Store

/// Looks at this server by its public address, as a platform would see it: secure, not sent elsewhere, this instance.
struct AddressLook: Sendable {
    static let name = "online.address"

    let settings: Settings
    let wire: any Wire
    let database: (any Database)?
    let ids: Identifiers
    let now: @Sendable () -> Timestamp

    func finding() async -> Finding {
        guard let url = settings.publicURL else {
            return Finding(Self.name, .off, "PATCHBAY_PUBLIC_URL is not set: nobody outside knows this server.")
        }
        let nonce = String(decoding: Hex.encode(ids.bytes(16)), as: UTF8.self)
        let answer: Kit.Answer
        do {
            answer = try await wire.send(
                WireRequest(method: .get, url: "\(url)/livez?nonce=\(nonce)"), within: .seconds(8))
        } catch {
            return await OnlineRules.unreached(Self.name, url, WireFailure(error), at: now())
        }
        return judge(answer, at: url, expected: await expected(for: nonce))
    }

    /// Nil where it cannot be known: no database, or no server of this version has used it.
    private func expected(for nonce: String) async -> String? {
        guard let database else { return nil }
        // What the database cannot say now is found by its own checks.
        return try? await AddressProof.expected(for: nonce, in: database)
    }

    func judge(_ answer: Kit.Answer, at url: String, expected: String?) -> Finding {
        func header(_ name: String) -> String? {
            answer.headers.first { $0.name.lowercased() == name }.map { OutsideText.bounded($0.value, 80) }
        }
        if (300..<400).contains(answer.status) {
            let place = header("location").map { " to \(OnlineRules.host($0))" } ?? ""
            return Finding(
                Self.name, .failed, "\(url) sends elsewhere (\(answer.status)\(place)): platforms do not follow.",
                advice: "Set PATCHBAY_PUBLIC_URL to the address that answers by itself.")
        }
        if [502, 503, 504].contains(answer.status) {
            return Finding(
                Self.name, .failed, "A proxy answers at \(url), and does not reach this server (\(answer.status)).",
                advice: "Is the server running? Does the proxy pass on to PATCHBAY_LISTEN?")
        }
        let body = try? JSON.parse(answer.body)  // What is no JSON is not ours.
        guard answer.status == 200, body?["status"]?.text == "ok", let proof = body?["proof"]?.text else {
            let by = header("server").map { ", by \($0)" } ?? ""
            return Finding(
                Self.name, .failed, "Something else answers at \(url): \(answer.status)\(by).",
                advice: "Point the name, and the proxy's rule for /livez and /webhooks/, at this server.")
        }
        guard let expected else {
            return Finding(
                Self.name, .warning,
                "A Patchbay answers at \(url); without the database nobody knows whether it is this one.")
        }
        guard proof == expected else {
            return Finding(
                Self.name, .failed, "Another instance of Patchbay answers at \(url).",
                advice: "Point the name at this instance, or set this instance's own PATCHBAY_PUBLIC_URL.")
        }
        return Finding(
            Self.name, .ok,
            "\(url) leads here\(url.hasPrefix("https:") ? ", with a certificate that is trusted" : "").")
    }
}
