import Engine
import Foundation
import Kit
import Server

/// From the demo to one's own account: a file of settings made of a test key and a webhook secret, and what doctor
/// finds in it.
struct MineFile: Sendable {
    private let home: DemoHome
    init(_ home: DemoHome) { self.home = home }

    private var path: String { home.file("mine.env") }

    /// Writes the file where the two can be used, and answers the findings; the secrets are not among them.
    func examine(_ body: JSON) async throws -> JSON {
        let key = body["secret_key"]?.text ?? ""
        let secret = body["webhook_secret"]?.text ?? ""
        if let problem = Self.problem(key, secret) { return ["problem": .string(problem), "findings": []] }
        let values = [
            ("PATCHBAY_MODE", "test"), ("PATCHBAY_DATABASE_URL", "sqlite:patchbay.sqlite"),
            ("PATCHBAY_LISTEN", "127.0.0.1:8484"), ("PATCHBAY_ENCRYPTION_KEYS", encryptionKey),
            ("STRIPE_SECRET_KEY", key), ("STRIPE_WEBHOOK_SECRET", secret),
        ].filter { !$1.isEmpty }
        let settings: Settings
        do {
            settings = try Settings.load(flags: Dictionary(uniqueKeysWithValues: values), environment: [:])
        } catch {
            return ["problem": .string("\(error.name): \(error.fault)"), "findings": []]
        }
        let lines = values.map { "\($0)=\($1)" }
        try home.write(
            "mine.env",
            "# Made by the demo. Copy it: make demo-reset removes this folder.\n\(lines.joined(separator: "\n"))\n"
        )
        let logger = LogOutput.quiet(from: LogOutput.logger(settings.log))
        let findings = await Doctor(settings, logger: logger, now: TimeSource.system.now).examine()
        return [
            "problem": .null, "file": .string(path),
            "findings": .array(findings.filter { $0.name != "program" && $0.verdict != .off }.map(\.json)),
        ]
    }

    private static func problem(_ key: String, _ secret: String) -> String? {
        if key.hasPrefix("sk_live_") || key.hasPrefix("rk_live_") {
            return "This is a live key. Take the one of test mode: sk_test_… or rk_test_…."
        }
        if !key.hasPrefix("sk_test_"), !key.hasPrefix("rk_test_") {
            return "A secret key of Stripe's test mode begins with sk_test_ or rk_test_."
        }
        return secret.hasPrefix("whsec_") ? nil : "The signing secret of a webhook begins with whsec_."
    }

    /// The one in the file already: what it sealed stays readable.
    private var encryptionKey: String {
        let name = "PATCHBAY_ENCRYPTION_KEYS="
        let kept = home.read("mine.env")?.split(separator: "\n").first { $0.hasPrefix(name) }
        return kept.map { String($0.dropFirst(name.count)) }
            ?? Keyring.written(id: "k1", Identifiers(now: { Timestamp.system }).bytes(32))
    }
}
