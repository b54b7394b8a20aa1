import Foundation

/// A command whose output is a secret: read by `/bin/sh`, its standard error is ours.
struct ShellCommand {
    /// Why there is no output. Never holds any.
    struct Failed: Error {
        let reason: String
    }

    /// More is no secret.
    private static let bytesMax = 64 << 10

    private let command: String
    init(_ command: String) { self.command = command }

    /// Blocks; used at the start only.
    func output(within seconds: Double) throws(Failed) -> [UInt8] {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        do { try process.run() } catch { throw Failed(reason: "/bin/sh cannot be started.") }
        try? pipe.fileHandleForWriting.close()  // Ours only: the command has its own.
        let deadline = Date(timeIntervalSinceNow: seconds)
        let output: [UInt8]
        do {
            output = try Self.readAll(pipe.fileHandleForReading.fileDescriptor, until: deadline)
        } catch {
            process.terminate()
            throw error
        }
        while process.isRunning, Date() < deadline { Thread.sleep(forTimeInterval: 0.005) }
        guard !process.isRunning else {
            process.terminate()
            throw Failed(reason: "its command does not end. It has \(Int(seconds)) s.")
        }
        guard process.terminationStatus == 0 else {
            throw Failed(reason: "its command ended with \(process.terminationStatus), not with 0.")
        }
        return output
    }

    private static func readAll(_ descriptor: Int32, until deadline: Date) throws(Failed) -> [UInt8] {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = deadline.timeIntervalSinceNow
            guard left > 0 else { throw Failed(reason: "its command takes too long. It has 10 s.") }
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wanted, 1, Int32(min(left, 60) * 1000)) > 0 else { continue }
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return output }
            output += chunk[..<count]
            guard output.count <= bytesMax else { throw Failed(reason: "its command prints more than 64 KiB.") }
        }
    }
}
