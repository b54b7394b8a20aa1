import Engine
import Glibc
import Kit
public import Logging
import Synchronization

/// Where log lines go: standard error, as text for people or JSON for machines.
public enum LogOutput {
    public static func logger(_ settings: LogSettings) -> Logger {
        var logger = Logger(label: "patchbay") { _ in
            StandardErrorLog(format: settings.format, metadataProvider: .correlation)
        }
        logger.logLevel = settings.level
        return logger
    }

    /// For the frameworks, whose lines tell what ours tell already: only when something is wrong.
    public static func quiet(from logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = max(.error, logger.logLevel)
        return quiet
    }
}

extension Logger.MetadataProvider {
    /// Names the request that a line belongs to, whoever wrote it.
    static let correlation = Logger.MetadataProvider {
        let current = Correlation.current
        guard current != .none else { return [:] }
        return ["request_id": .string(current.requestID), "trace_id": .string(current.traceID)]
    }
}

/// One line an entry: an event name and fields. Values that are secret or personal print as a mark by their type.
struct StandardErrorLog: LogHandler {
    let format: LogSettings.Format
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level = .info

    /// Lines of several threads do not mix: each is one write.
    private static let turn = Mutex(())
    /// A longer value is cut: a log is no place for bodies.
    private static let valueMax = 1000

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }.merging(event.metadata ?? [:]) { $1 }
            .filter { !"\($0.value)".isEmpty }
            .sorted { $0.key < $1.key }
            .map { ($0.key, String("\($0.value)".prefix(Self.valueMax))) }
        let time = Timestamp.system.rfc3339
        var line: [UInt8]
        switch format {
        case .text:
            let level = "\(event.level)".uppercased()
            let values = fields.map { " \($0.0)=\(Self.quoted($0.1))" }.joined()
            line = Array("\(time) \(level) \(event.message)\(values)\n".utf8)
        case .json:
            let members = [
                JSONMember("time", .string(time)), .init("level", .string("\(event.level)")),
                .init("event", .string("\(event.message)")),
            ]
            line = JSON.object(members + fields.map { JSONMember($0.0, .string($0.1)) }).bytes + [UInt8(ascii: "\n")]
        }
        Self.turn.withLock { _ in
            var rest = line[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    private static func quoted(_ value: String) -> String {
        let isPlain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=")
        }
        return isPlain ? value : String(decoding: JSON.string(value).bytes, as: UTF8.self)
    }
}
