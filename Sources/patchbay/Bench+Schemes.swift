import ArgumentParser
import Crypto
import Engine
import Foundation
import Kit
import Server

/// Platforms' deliveries, made and signed with the secrets of the settings.
struct BenchDeliveries {
    let provider: String
    let scheme: WebhookScheme
    private let secret: WebhookSecret
    private let samples: [TriggerSample]

    init(of provider: String, by settings: Settings) throws {
        guard let scheme = settings.webhookScheme(of: provider) else {
            throw Fault("\(provider) sends no webhooks here.", code: 2)
        }
        guard let secret = settings.webhookSecrets[provider]?.first(where: \.proves) else {
            throw Fault("\(provider) has no secret in the settings.", code: 2)
        }
        samples = TriggerSample.all(of: String(provider.prefix { $0 != "/" }))
        guard !samples.isEmpty else { throw Fault("There are no samples for \(provider).", code: 2) }
        (self.provider, self.scheme, self.secret) = (provider, scheme, secret)
    }

    var secrets: [WebhookSecret] { [secret] }

    /// The number-th of a run; no two are alike.
    func make(_ number: Int, run: UInt64, bytes: Int, base: String) throws -> WebhookDraft {
        let (url, now) = ("\(base)/webhooks/\(provider)", Timestamp.system)
        let (seed, sample) = (run &+ UInt64(number), samples[number % samples.count])
        var draft = try sample.draft(to: url, seed: seed, at: now, changes: [])
        draft.body = Self.padded(draft.body, to: bytes, note: "\(seed)")
        return scheme.signed(draft, with: secrets, id: "msg_\(seed)", at: now)
    }

    /// As large as the others' bodies, by a member or a field that nobody reads.
    private static func padded(_ body: [UInt8], to bytes: Int, note: String) -> [UInt8] {
        let (before, after): (String, String) =
            switch body.first {
            case UInt8(ascii: "{"): (#","bench_note":""# + note + " ", "\"}")
            case UInt8(ascii: "<"), UInt8(ascii: "["), nil: ("", "")
            default: ("&BenchNote=\(note)", "")
            }
        guard !before.isEmpty else { return body }
        var padded = after.isEmpty ? body : Array(body.dropLast())
        let filler = max(0, bytes - padded.count - before.utf8.count - after.utf8.count)
        padded += before.utf8
        padded += [UInt8](repeating: UInt8(ascii: "r"), count: filler)
        padded += after.utf8
        return padded
    }
}

/// Signed requests of several schemes, for `Benchmarks/load/ingest --requests`.
struct BenchSign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Writes signed requests to standard output, each behind a line with its length.")

    @OptionGroup var options: SettingsOptions
    @Option(help: "Platforms in turn, commas between.")
    var providers: String
    @Option(help: "Requests.")
    var count = 10_000
    @Option(help: "Of a body, where the platform's form lets it be filled.")
    var bytes = 2048
    @Option(help: "The server: what some sign is its address too.")
    var base: String

    func run() async throws {
        let settings = try options.settings(adding: ["PATCHBAY_MODE": "test"])
        let all = try providers.split(separator: ",").map { try BenchDeliveries(of: String($0), by: settings) }
        guard !all.isEmpty else { throw Fault("--providers names none.", code: 2) }
        let run = UInt64.random(in: 0...UInt64(UInt32.max)) << 32
        let host = String(base.drop { $0 != "/" }.dropFirst(2))
        var output = Data()
        for number in 0..<count {
            // Each platform's own number, so that all of its samples have their turn.
            let turn = all[number % all.count]
            let draft = try turn.make(number / all.count, run: run &+ UInt64(number), bytes: bytes, base: base)
            var request = "POST /webhooks/\(turn.provider) HTTP/1.1\r\nHost: \(host)\r\n"
            for field in draft.headers { request += "\(field.name): \(field.value)\r\n" }
            request += "Content-Length: \(draft.body.count)\r\n\r\n"
            output += Data("\(request.utf8.count + draft.body.count)\n".utf8) + Data(request.utf8) + Data(draft.body)
            guard output.count > 1 << 20 else { continue }
            FileHandle.standardOutput.write(output)
            output.removeAll(keepingCapacity: true)
        }
        FileHandle.standardOutput.write(output)
    }
}

/// What it costs to prove a delivery, beside the bare HMAC of as many bytes.
struct BenchVerification: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verification",
        abstract: "Proves signatures in one thread; prints how many a second, and bare HMACs.")

    @OptionGroup var options: SettingsOptions
    @Option(help: "Platforms, commas between, each with the hash of its scheme: stripe:sha256,…")
    var schemes: String
    @Option(help: "Of a body.")
    var bytes = 2048
    @Option(help: "How long each of both is measured, several times in turn.")
    var milliseconds = 200

    private static let turns = 5

    func run() async throws {
        let settings = try options.settings(adding: ["PATCHBAY_MODE": "test"])
        for word in schemes.split(separator: ",") {
            let parts = word.split(separator: ":").map(String.init)
            guard parts.count == 2 else { throw Fault("--schemes takes NAME:HASH.", code: 2) }
            let deliveries = try BenchDeliveries(of: parts[0], by: settings)
            let draft = try deliveries.make(0, run: 7, bytes: bytes, base: "http://127.0.0.1:8484")
            let delivery = Delivery(
                method: "POST", target: "/webhooks/\(parts[0])", url: draft.url, headers: draft.headers,
                body: draft.body, receivedAt: .system)
            let (scheme, secrets) = (deliveries.scheme, deliveries.secrets)
            let bare: (Int) -> Int
            switch parts[1] {
            case "sha1": bare = { Self.bare(Insecure.SHA1.self, draft.body, $0) }
            case "sha256": bare = { Self.bare(SHA256.self, draft.body, $0) }
            case "sha512": bare = { Self.bare(SHA512.self, draft.body, $0) }
            default: throw Fault("--schemes: \(parts[1]) is no hash.", code: 2)
            }
            var (ours, theirs): ([Double], [Double]) = ([], [])
            for _ in 0..<Self.turns {
                ours.append(
                    try rate { count in
                        var believed = 0
                        for _ in 0..<count {
                            if try !scheme.check(delivery, with: secrets).late { believed += 1 }
                        }
                        return believed
                    })
                theirs.append(try rate(bare))
            }
            let ratios = zip(ours, theirs).map { $0 / $1 }.sorted()
            say(
                ([
                    "scheme": .string(parts[0]), "bytes": JSON(draft.body.count),
                    "per_second": JSON(Int(ours.sorted()[Self.turns / 2])),
                    "bare_per_second": JSON(Int(theirs.sorted()[Self.turns / 2])),
                    "permille": JSON(Int(ratios[Self.turns / 2] * 1000)),
                ] as JSON).outputLine)
        }
    }

    /// With a key made ready once: the least that any proof costs.
    private static func bare<Function: HashFunction>(
        _: Function.Type, _ body: [UInt8], _ count: Int
    ) -> Int {
        let key = SymmetricKey(data: Array("0123456789abcdef0123456789abcdef".utf8))
        var seen = 0
        for _ in 0..<count {
            let code = HMAC<Function>.authenticationCode(for: body, using: key)
            code.withUnsafeBytes { seen += Int($0.first ?? 0) | 1 }
        }
        return seen
    }

    private func rate(_ work: (Int) throws -> Int) throws -> Double {
        let atOnce = 500
        var (done, seen) = (0, 0)
        let (began, end) = (ContinuousClock.now, ContinuousClock.now + .milliseconds(milliseconds))
        while ContinuousClock.now < end {
            seen += try work(atOnce)
            done += atOnce
        }
        let took = ContinuousClock.now - began
        // What was found is used, so that nobody leaves the work out.
        guard seen > 0 else { throw Fault("Nothing was proven.", code: 1) }
        return Double(done) / took.inSeconds
    }
}
