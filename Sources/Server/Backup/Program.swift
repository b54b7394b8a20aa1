import Foundation

/// A program that comes with the database, run to its end. Blocks.
struct Program {
    let name: String

    /// - Throws: `BackupFault` where it is not installed, or with what it says of its failure.
    func run(_ arguments: [String], environment: [String: String]) throws(BackupFault) {
        guard let path = Self.find(name) else {
            throw BackupFault("\(name) is not on the PATH. Install it: apt install postgresql-client")
        }
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PATCHBAY_") }
            .merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = pipe
        do { try process.run() } catch { throw BackupFault("\(path) cannot be started.") }
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let lines = String(decoding: said.prefix(4096), as: UTF8.self).split(separator: "\n")
            throw BackupFault("\(name) failed: \(lines.first { $0.contains("error") } ?? lines.first ?? "no reason")")
        }
    }

    private static func find(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
            .map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
