import ArgumentParser
import Engine
import Kit
import Server

/// Says what is configured, what is missing, and whether the database keeps what it is given.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Checks settings, database and disk, a line each, with what to do. Needs no running server.",
        discussion: """
            With --online the platforms are asked too, by calls that change nothing: hosts, keys, tokens, clocks,
            permissions, webhooks that are registered, and whether the public address leads here.

            Exit code 0 when no check failed, 1 when one did; warnings do not count.

            Examples:
              patchbay doctor
              patchbay doctor --online --json --config /etc/patchbay.env
            """)

    @OptionGroup var options: SettingsOptions
    @Flag(help: "Asks the platforms too, by harmless calls; takes up to half a minute.")
    var online = false
    @Flag(help: "One JSON object instead of lines.")
    var json = false

    func run() async throws {
        let findings: [Finding]
        do {
            let settings = try options.settings()
            let logger = LogOutput.quiet(from: LogOutput.logger(settings.log))
            let doctor = Doctor(settings, logger: logger, now: TimeSource.system.now)
            if online, !json { note("Asking the platforms, for half a minute at most…") }
            async let outside = online ? doctor.examineOnline() : []
            findings = await doctor.examine() + outside
        } catch let fault as Fault {
            findings = [
                Finding("settings", .failed, fault.description, advice: "Mend it: the server would not start either.")
            ]
        }
        let isWell = findings.allSatisfy { $0.verdict != .failed }
        if json {
            say(JSON.object([.init("ok", .bool(isWell)), .init("checks", .array(findings.map(\.json)))]).line)
        } else {
            for finding in findings { say(finding.text) }
        }
        if !isWell { throw ExitCode(1) }
    }
}

extension JSON {
    /// In one line of text.
    var line: String { String(decoding: bytes, as: UTF8.self) }
}
