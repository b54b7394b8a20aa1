import Foundation

/// What the demo says on a terminal: lines with a time and a mark, coloured where colours are seen.
struct Terminal: Sendable {
    enum Mark: Sendable {
        case ok, failed, refused, waiting, note
        fileprivate var sign: String {
            switch self {
            case .ok: "✓"
            case .failed: "✗"
            case .refused: "!"
            case .waiting: "·"
            case .note: " "
            }
        }
        fileprivate var colour: String {
            switch self {
            case .ok: "32"
            case .failed: "31"
            case .refused: "33"
            case .waiting: "36"
            case .note: "0"
            }
        }
    }

    private let isColoured: Bool

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        isColoured =
            isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    /// Something has happened.
    func tell(_ mark: Mark, _ text: String) {
        let sign = isColoured ? "\u{1B}[\(mark.colour)m\(mark.sign)\u{1B}[0m" : mark.sign
        say("\(faint(Self.clock))  \(sign) \(text)")
    }

    func bold(_ text: String) -> String { isColoured ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    func faint(_ text: String) -> String { isColoured ? "\u{1B}[2m\(text)\u{1B}[0m" : text }

    /// The time here.
    private static var clock: String {
        var (now, parts) = (time(nil), tm())
        localtime_r(&now, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
