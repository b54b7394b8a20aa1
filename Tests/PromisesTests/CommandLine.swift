import Foundation

/// What a verb of the command line printed, both streams together, and how it ended.
struct CommandLineRun {
    let status: Int32
    let output: String

    /// - Parameter environment: all that it finds, besides a path.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("verb-\(UUID().uuidString)").path
        let child = try ChildProcess(
            ServerProcess.binary.path, arguments,
            environment: ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"].merging(environment) { $1 },
            output: file)
        status = child.wait()
        output = try String(contentsOfFile: file, encoding: .utf8)
        try FileManager.default.removeItem(atPath: file)
    }
}
