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
            Exit code 0 when no check failed, 1 when one did; warnings do not count.

            Examples:
              patchbay doctor
              patchbay doctor --json --config /etc/patchbay.env
            """)

    @OptionGroup var options: SettingsOptions
    @Flag(help: "One JSON object instead of lines.")
    var json = false

    func run() async throws {
        let findings: [Finding]
        do {
            let settings = try options.settings()
            let logger = LogOutput.quiet(from: LogOutput.logger(settings.log))
            findings = await Doctor(settings, logger: logger, now: TimeSource.system.now).examine()
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
