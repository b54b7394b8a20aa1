import Foundation

/// A line on standard output, at once: results.
func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

/// A line on standard error, at once: progress and notes, which no pipe should get.
func note(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

/// How much of an answer a terminal is shown in colour: none in a pipe, none where `NO_COLOR` is set to anything.
enum Colour {
    static let isOn =
        isatty(1) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
        && ProcessInfo.processInfo.environment["TERM"] != "dumb"

    static func green(_ text: String) -> String { isOn ? "\u{1B}[32m\(text)\u{1B}[0m" : text }
    static func red(_ text: String) -> String { isOn ? "\u{1B}[31m\(text)\u{1B}[0m" : text }
}
