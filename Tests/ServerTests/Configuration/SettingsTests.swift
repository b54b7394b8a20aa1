import Foundation
import Kit
import Logging
import Store
import Testing

@testable import Server

@Suite("Settings")
struct SettingsTests {
    @Test("nothing set: a live instance on loopback, in a file beside the program")
    func usual() throws {
        let settings = try Settings.load(environment: [:])

        #expect(settings.mode == .live)
        #expect(settings.database == .sqlite(path: "patchbay.sqlite"))
        #expect(settings.listen == ListenAddress(host: "127.0.0.1", port: 8484))
        #expect(settings.migrates && settings.log == LogSettings(format: .text, level: .info))
        #expect(settings.retention[.events] == .days(400))
        #expect(settings.stripe.webhookSecrets.isEmpty && settings.standardWebhooks.isEmpty)
        #expect(settings.notices.contains("STRIPE_WEBHOOK_SECRET is not set: /webhooks/stripe is off."))
    }

    @Test("flags over environment over file")
    func precedence() throws {
        let file = try Scratch(
            """
            # a comment
            PATCHBAY_LISTEN=127.0.0.1:1
            PATCHBAY_MODE=test
            export PATCHBAY_PUBLIC_URL="https://a.example/"
            """)

        let settings = try Settings.load(
            flags: ["PATCHBAY_LISTEN": "127.0.0.1:3"],
            environment: ["PATCHBAY_LISTEN": "127.0.0.1:2", "PATCHBAY_PUBLIC_URL": "https://b.example"], file: file.path
        )

        #expect(settings.listen.port == 3)
        #expect(settings.publicURL == "https://b.example")
        #expect(settings.mode == .test)
    }

    @Test("a value comes from a file or from a command, without blanks and line ends around it")
    func indirections() throws {
        let file = try Scratch("  whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH \n")

        let settings = try Settings.load(environment: [
            "STRIPE_WEBHOOK_SECRET_FILE": file.path,
            "STANDARD_WEBHOOKS_SECRET_COMMAND": "printf 'v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,,\\n'",
        ])

        #expect(
            settings.stripe.webhookSecrets
                == (try WebhookSecret.list("whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH", written: .text)))
        #expect(settings.standardWebhooks.count == 1)
    }

    @Test("a command that a higher layer answers does not run")
    func commandNotRun() throws {
        let file = try Scratch("PATCHBAY_MODE_COMMAND=exit 1\n")

        #expect(try Settings.load(environment: ["PATCHBAY_MODE": "test"], file: file.path).mode == .test)
    }

    @Test(
        "what cannot be used stops the start with one line: name, fault, example",
        arguments: [
            (
                ["PATCHBAY_LISTN": "127.0.0.1:1"],
                """
                PATCHBAY_LISTN: is not a setting. Did you mean PATCHBAY_LISTEN? \
                Example: PATCHBAY_LISTEN=127.0.0.1:8484
                """
            ),
            (["PATCHBAY_LISTN_FILE": "x"], "PATCHBAY_LISTN_FILE: is not a setting. Did you mean PATCHBAY_LISTEN?"),
            (["PATCHBAY_WHATEVER": ""], "PATCHBAY_WHATEVER: is not a setting. patchbay.env.example names all."),
            (["PATCHBAY_MODE": "prod"], "PATCHBAY_MODE: \"prod\" is not one of its words. Example: PATCHBAY_MODE=test"),
            (["PATCHBAY_LISTEN": "8484"], "PATCHBAY_LISTEN: \"8484\" is not host:port."),
            (
                ["PATCHBAY_LISTEN": "127.0.0.1:99999"],
                "PATCHBAY_LISTEN: \"127.0.0.1:99999\" has no port from 0 to 65535 at its end."
            ),
            (["PATCHBAY_LISTEN": "0.0.0.0:80"], "PATCHBAY_LISTEN: 0.0.0.0 would speak plain http to the network."),
            (["PATCHBAY_PUBLIC_URL": "http://a.example"], "PATCHBAY_PUBLIC_URL: must begin with https://"),
            (["STRIPE_BASE_URL": "http://a.example"], "STRIPE_BASE_URL: must begin with https://"),
            (["PAYPAL_BASE_URL": "http://a.example"], "PAYPAL_BASE_URL: must begin with https://"),
            (["PAYPAL_VERIFICATION": "both"], "PAYPAL_VERIFICATION: \"both\" is none of certificate, api."),
            (
                ["PATCHBAY_DATABASE_URL": "mysql://x"],
                "PATCHBAY_DATABASE_URL: must begin with sqlite: or postgresql://."
            ),
            (["PATCHBAY_REDIS_URL": "localhost"], "PATCHBAY_REDIS_URL: must be redis://"),
            (["PATCHBAY_MIGRATE": "yes"], "PATCHBAY_MIGRATE: \"yes\" is neither on nor off."),
            (
                ["PATCHBAY_SEAL_BODIES": "on"],
                "PATCHBAY_SEAL_BODIES: needs PATCHBAY_ENCRYPTION_KEYS, which is not set."
            ),
            (["PATCHBAY_LOG": "loud"], "PATCHBAY_LOG: \"loud\" is neither a format"),
            (["PATCHBAY_TLS_CERT": "/x"], "PATCHBAY_TLS_KEY: is not set, but PATCHBAY_TLS_CERT is."),
            (
                ["PATCHBAY_ENCRYPTION_KEYS": "k2:MDEyMzQ1Njc4OWFiY2RlZg=="],
                """
                PATCHBAY_ENCRYPTION_KEYS: key k2 must be 32 bytes in base64; it has 16. \
                Make one with: patchbay vault key
                """
            ),
            (["PATCHBAY_TRUSTED_PROXIES": "10.0.0.1/8"], "PATCHBAY_TRUSTED_PROXIES: 10.0.0.1/8 is no range"),
            (["PATCHBAY_WEBHOOK_ALIASES": "twitter=xx"], "PATCHBAY_WEBHOOK_ALIASES: \"xx\" is no provider."),
            (
                ["PATCHBAY_RETURN_ORIGINS": "https://a.example/x"],
                "PATCHBAY_RETURN_ORIGINS: \"https://a.example/x\" is more than an origin"
            ),
            (["PATCHBAY_RETENTION_EVENTS": "forever"], "PATCHBAY_RETENTION_EVENTS: \"forever\" is no time such as 30d"),
            (["STANDARD_WEBHOOKS_SECRET": "whsec_AAAA"], "STANDARD_WEBHOOKS_SECRET: The secret has 3 bytes"),
            (
                ["STRIPE_SECRET_KEY": "sk_live_1", "PATCHBAY_MODE": "test"],
                "STRIPE_SECRET_KEY: holds a live key, and this is a test instance."
            ),
            (["STRIPE_SECRET_KEY": "rk_live_1", "PATCHBAY_MODE": "test"], "STRIPE_SECRET_KEY: holds a live key"),
            (
                ["PATCHBAY_MODE": "test", "PATCHBAY_MODE_FILE": "/x"],
                "PATCHBAY_MODE: PATCHBAY_MODE and PATCHBAY_MODE_FILE are both set"
            ),
            (["PATCHBAY_MODE_FILE": "/nowhere"], "PATCHBAY_MODE_FILE: /nowhere cannot be read."),
            (["PATCHBAY_MODE_COMMAND": "exit 3"], "PATCHBAY_MODE_COMMAND: its command ended with 3, not with 0."),
        ])
    func refused(environment: [String: String], line: String) {
        do {
            _ = try Settings.load(environment: environment)
            Issue.record("not refused: \(environment)")
        } catch {
            #expect(error.description.hasPrefix(line), "\(error)")
            #expect(!error.description.contains("\n") && error.description.contains(" Example: "))
        }
    }

    @Test("a demo is a test instance that may speak plain http and refuses live keys")
    func demo() throws {
        #expect(try Settings.load(environment: ["PATCHBAY_LISTEN": "0.0.0.0:0"], isDemo: true).mode == .test)
        #expect(throws: BadSetting.self) { try Settings.load(environment: ["PATCHBAY_MODE": "live"], isDemo: true) }
        #expect(throws: BadSetting.self) {
            try Settings.load(environment: ["STRIPE_SECRET_KEY": "sk_live_x"], isDemo: true)
        }
    }

    @Test("what Kubernetes and the command line set is no setting of ours")
    func foreign() throws {
        _ = try Settings.load(environment: [
            "PATCHBAY_SERVICE_HOST": "10.0.0.1", "PATCHBAY_PORT": "tcp://10.0.0.1:80", "PATCHBAY_PORT_80_TCP": "x",
            "PATCHBAY_URL": "http://x", "PATCHBAY_API_KEY": "x", "HOME": "/root",
        ])
    }

    @Test("every time of keeping reaches the rows that it is about", arguments: Retention.Kind.allCases)
    func retention(kind: Retention.Kind) throws {
        let path: WritableKeyPath<RetentionLimits, Duration> =
            switch kind {
            case .bodies: \.bodies
            case .deliveries: \.deliveries
            case .events: \.events
            case .changes: \.changes
            case .attempts: \.attempts
            case .calls: \.calls
            case .jobs: \.jobs
            case .deadJobs: \.deadJobs
            case .syncs: \.syncs
            case .metrics: \.metrics
            case .publications: \.publications
            }
        var expected = RetentionLimits()
        expected[keyPath: path] = .days(3)
        #expect(try Settings.load(environment: [kind.settingName: "3d"]).retention.limits == expected)
        #expect(Setting.exampleFile.contains("\n#\(kind.settingName)=\(kind.usualDays)d\n"))
        #expect(Setting.all.first { $0.name == kind.settingName }?.standing == .used)
    }

    @Test("no setting's value is printed", arguments: ["SQUEAMISH_OSSIFRAGE_0123456789"])
    func secretsStaySealed(canary: String) throws {
        let settings = try Settings.load(environment: [
            "STRIPE_SECRET_KEY": canary, "STRIPE_WEBHOOK_SECRET": canary, "PATCHBAY_REDIS_URL": "redis://:\(canary)@x",
            "PATCHBAY_DATABASE_URL": "postgresql://u:\(canary)@x/y",
            "PATCHBAY_ENCRYPTION_KEYS": "k1:" + String(decoding: Base64.encode(canary.utf8 + [0, 0]), as: UTF8.self),
        ])

        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!("\(settings)" + dumped).contains(canary))
    }

    @Test("patchbay.env.example is what the code says; after a change: WRITE_EXAMPLE=1 swift test")
    func example() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../patchbay.env.example").standardizedFileURL.path
        if ProcessInfo.processInfo.environment["WRITE_EXAMPLE"] == "1" {
            try Setting.exampleFile.write(toFile: path, atomically: true, encoding: .utf8)
        }

        #expect(try String(contentsOfFile: path, encoding: .utf8) == Setting.exampleFile)
        for setting in Setting.all where setting.standing != .handed {
            #expect(Setting.exampleFile.contains("#\(setting.name)="))
        }
    }

    @Test("the example file is itself a file of settings")
    func exampleIsReadable() throws {
        let lines = Setting.exampleFile.split(separator: "\n").filter {
            $0.hasPrefix("#") && $0.dropFirst().first?.isUppercase == true
        }
        let text = lines.map { $0.dropFirst() }.joined(separator: "\n")

        let values = try ConfigFile.parse(text, path: "example")

        #expect(Set(values.keys) == Set(Setting.all.filter { $0.standing != .handed }.map(\.name)))
    }
}

@Suite("Files of settings")
struct ConfigFileTests {
    @Test(
        "quotes, comments, blanks",
        arguments: [
            ("A=1", "1"), ("A= 1 ", "1"), ("A='a # b'", "a # b"), (#"A="a\"b\\c\nd""#, "a\"b\\c\nd"), ("A=", ""),
            ("  A=a=b", "a=b"), ("# x\n\nA=x", "x"),
        ])
    func read(line: String, value: String) throws {
        #expect(try ConfigFile.parse(line, path: "p") == ["A": value])
    }

    @Test(
        "what is no assignment is refused with its line", arguments: ["A", "1A=x", "a=x", "A='x", "A=\"x", "A=1\nA=2"])
    func refused(text: String) {
        #expect(throws: BadSetting.self) { try ConfigFile.parse(text, path: "p") }
    }
}

/// A file for one test.
final class Scratch {
    let path: String
    init(_ text: String) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("patchbay-\(UUID().uuidString)").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
