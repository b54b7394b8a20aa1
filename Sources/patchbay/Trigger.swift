import ArgumentParser
import AsyncHTTPClient
import Engine
import Foundation
import Kit
import NIOCore
import NIOHTTP1
import Sandbox
import Server

/// Sends one sample event, signed as the platform signs it.
struct Trigger: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends a sample event to a server, signed as the platform signs it.",
        discussion: """
            The secret is the server's own: STRIPE_WEBHOOK_SECRET and the like, from the environment or --config. Exit
            code 0 when the answer is what it should be, 1 when it is not, 3 when nobody answers.

            Examples:
              patchbay trigger stripe invoice.payment_failed
              patchbay trigger stripe customer.subscription.updated --add metadata.patchbay_user=rye
              patchbay trigger stripe invoice.paid --to http://127.0.0.1:8484 --duplicate 2 --late 5m
              patchbay trigger tiktok-shop ORDER_STATUS_CHANGE --add data.order_status=CANCEL
              patchbay trigger twilio message.delivered --to https://patchbay.example.com
              patchbay trigger sendgrid delivered --key sendgrid-test.pem
              patchbay trigger paypal PAYMENT.CAPTURE.COMPLETED --key paypal-test.pem
              patchbay trigger stripe --list
            """)

    @Argument(help: "The platform: stripe, tiktok-shop, …; generic/NAME for a sender that you declared.")
    var provider: String
    @Argument(help: "The type of the event.") var event: String?
    @Flag(help: "Lists the types that there are samples of.") var list = false
    @Option(
        help: "The server, or the whole address of its webhook route; else PATCHBAY_URL, else http://127.0.0.1:8484.")
    var to: String?
    @Option(
        help: """
            NAME=VALUE. Of Stripe: in the object that the event is about, event.NAME=VALUE in the event itself. Of \
            others: a field of the form, or a path in the JSON. Repeatable.
            """)
    var add: [String] = []
    @Option(help: "Sends it so many times more, each signed anew.") var duplicate = 0
    @Option(help: "How long ago it happened: 90s, 5m, 2h, 3d. It is signed now, as platforms sign each repetition.")
    var late: String?
    @Option(
        help: """
            A file with the private key of a pair, for platforms that sign with one. Where there is none it is made, \
            and what a test server must be given is shown.
            """)
    var key: String?
    @Option(help: "The port of 127.0.0.1 at which a key that the server looks for is served meanwhile.")
    var keyPort = 8486
    @Flag(help: "Signs with another secret: the server must refuse it.") var badSignature = false
    @Option(help: "The same number makes the same ids.") var seed: UInt64?
    @Option(help: "A file of NAME=value lines; see patchbay.env.example.") var config: String?
    @Flag(help: "Prints JSON.") var json = false

    /// More repetitions show nothing new.
    private static let duplicateMax = 100

    func run() async throws {
        let samples = TriggerSample.all(of: platform)
        guard !samples.isEmpty else {
            throw Fault(
                "There are no samples for \(provider). Known: \(TriggerSample.platforms.joined(separator: ", ")).",
                code: 2)
        }
        let types = samples.map(\.type).sorted()
        if list { return show(types) }
        guard let event else {
            throw Fault("Name a type of event. patchbay trigger \(provider) --list shows all.", code: 2)
        }
        guard let sample = samples.first(where: { $0.type == event }) else {
            throw Fault(
                "There is no sample of \(event). Known:\n  \(types.joined(separator: "\n  "))", code: 2)
        }
        guard (0...Self.duplicateMax).contains(duplicate) else {
            throw Fault("--duplicate takes 0 to \(Self.duplicateMax).", code: 2)
        }
        let address = try address()
        let draft = try sample.draft(
            to: address, seed: seed ?? .random(in: 0...UInt64(UInt32.max)), at: Timestamp.system - (try lateness()),
            changes: try changes())
        try await send(draft)
    }

    /// Without the name of one of its senders.
    private var platform: String { String(provider.prefix { $0 != "/" }) }

    private func show(_ types: [String]) {
        if json {
            say(String(decoding: JSON.array(types.map { .string($0) }).bytes, as: UTF8.self))
        } else {
            for type in types { say(type) }
        }
    }

    private func send(_ draft: WebhookDraft) async throws {
        var options = try SettingsOptions.parse([])
        options.config = config
        let settings = try options.settings()
        guard let scheme = settings.webhookScheme(of: provider) else {
            throw Fault("\(provider) sends no webhooks here.", code: 2)
        }
        if let source = Signing.played(platform) { return try await play(source, draft, scheme, settings) }
        let secret = try secret(scheme, settings)
        let id = "msg_" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
        try await send(scheme) { scheme.signed(draft, with: [secret], id: id, at: .system) }
    }

    /// As a platform whose key the server looks for: served for as long as it is asked.
    private func play(
        _ source: any PlayedSource, _ draft: WebhookDraft, _ scheme: WebhookScheme, _ settings: Settings
    ) async throws {
        let base = "http://127.0.0.1:\(keyPort)"
        let key = try TriggerKey(file: key, of: platform).played(source, at: base, isBad: badSignature)
        let (stage, secrets) = (source.stage(key, at: base), settings.webhookSecrets[provider] ?? [])
        guard !secrets.isEmpty else {
            throw Fault(
                "\(Signing.settings(of: platform).joined(separator: " and ")) not set. Set it as the server has it.",
                code: 2)
        }
        do {
            try await Stand.serving(stage.documents, port: keyPort) {
                try await send(scheme) { stage.sign(draft, secrets, .system) }
            }
        } catch let fault as SandboxFault {
            throw Fault("--key-port: \(fault)", code: 2)
        }
    }

    /// - Parameter sign: makes each repetition: it is signed anew, as platforms do.
    private func send(_ scheme: WebhookScheme, _ sign: () -> WebhookDraft) async throws {
        var isAsItShouldBe = true
        for number in 0...duplicate {
            let signed = sign()
            let status = try await answer(to: signed)
            let isGood = badSignature ? status == 401 : (200..<300).contains(status)
            isAsItShouldBe = isAsItShouldBe && isGood
            report(signed, scheme, status, number, isGood)
        }
        guard isAsItShouldBe else { throw ExitCode(1) }
    }

    private func report(
        _ sent: WebhookDraft, _ scheme: WebhookScheme, _ status: Int, _ number: Int, _ isGood: Bool
    ) {
        let delivery = Delivery(
            method: "POST", target: "/", url: sent.url, headers: sent.headers, body: sent.body, receivedAt: .system)
        let event = (try? scheme.events(delivery))?.first  // It was changed until nobody can read it.
        let (id, type) = (event?.providerEventID ?? "", event?.type ?? self.event ?? "")
        if json {
            let object = (try? JSON.parse(sent.body))?["data", "object", "id"]  // Forms have none.
            let line: JSON = [
                "event": .string(id), "type": .string(type), "to": .string(sent.url), "status": JSON(status),
                "repetition": JSON(number), "as_it_should_be": .bool(isGood), "object": object ?? .null,
            ]
            return say(String(decoding: line.bytes, as: UTF8.self))
        }
        let what = badSignature ? ", forged" : number > 0 ? ", repetition \(number)" : ""
        let verdict =
            isGood
            ? badSignature ? "refused, as it should be" : "taken"
            : badSignature ? "not refused with 401" : Self.advice(status)
        say("\(type)\(id.isEmpty ? "" : " " + id)\(what) → \(sent.url): \(status), \(verdict)")
    }

    private static func advice(_ status: Int) -> String {
        switch status {
        case 401: "refused: the server has another webhook secret"
        case 404: "not found: the webhook's route is off there, or the address is another"
        default: "not taken"
        }
    }

    // MARK: What is asked for

    private func secret(_ scheme: WebhookScheme, _ settings: Settings) throws -> WebhookSecret {
        if scheme.secretWriting == .publicKey {
            return try TriggerKey(file: key, of: platform).secret(isBad: badSignature)
        }
        let own = settings.webhookSecrets[provider]?.first { $0.proves }
        guard !badSignature else {
            let foreign = StandardSignature.secret(from: Array(0..<UInt8(StandardSignature.secretLength)))
            do { return try WebhookSecret(foreign, written: scheme.secretWriting.ofOne).named(own?.name) } catch {
                throw Fault(error.reason, code: 2)
            }
        }
        guard let own else {
            let names = Signing.settings(of: platform).joined(separator: " and ")
            throw Fault("\(names) not set. Set it as the server has it, or name the file with --config.", code: 2)
        }
        return own
    }

    private func address() throws -> String {
        let base = to ?? ProcessInfo.processInfo.environment["PATCHBAY_URL"] ?? "http://127.0.0.1:8484"
        let url: OutsideURL
        do { url = try OutsideURL(base) } catch { throw Fault("--to: \(error.reason)", code: 2) }
        guard url.target == "/" else { return base }
        return (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/webhooks/\(provider)"
    }

    private func changes() throws -> [(name: String, value: String)] {
        try add.map { text in
            guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
                throw Fault("--add \(text): wants NAME=VALUE, such as --add customer=cus_1", code: 2)
            }
            return (String(text[..<sign]), String(text[text.index(after: sign)...]))
        }
    }

    private func lateness() throws -> Duration {
        guard let late else { return .zero }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = late.last.flatMap({ units[$0] }), let number = Int64(late.dropLast()),
            (0...100_000).contains(number)
        else { throw Fault("--late \(late): wants a number and s, m, h or d, such as --late 5m", code: 2) }
        return .seconds(number * unit)
    }

    private func answer(to draft: WebhookDraft) async throws -> Int {
        var request = HTTPClientRequest(url: draft.url)
        request.method = .POST
        for header in draft.headers { request.headers.add(name: header.name, value: header.value) }
        request.body = .bytes(ByteBuffer(bytes: draft.body))
        do {
            return Int(try await HTTPClient.shared.execute(request, timeout: .seconds(10)).status.code)
        } catch {
            throw Fault("\(draft.url) cannot be reached. Is the server running? patchbay serve", code: 3)
        }
    }
}
