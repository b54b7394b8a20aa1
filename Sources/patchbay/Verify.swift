import ArgumentParser
import Foundation
import Glibc
import Kit
import Server

/// Judges recorded deliveries by the code that judges live ones.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Reads deliveries as JSON lines on standard input, writes a verdict line for each.",
        discussion: """
            Examples:
              patchbay verify < deliveries.jsonl
              echo '{"scheme":"stripe","secret":{"secrets":["whsec_…"]},"method":"POST","url":"https://…","headers":[],\
            "body_base64":"e30=","now":1795255200}' | patchbay verify
            """)

    /// What is read at once, in bytes; its lines are shared out to all cores.
    private static let pieceMax = 1 << 20

    func run() async throws {
        let verify = Verifying.all
        var input: [UInt8] = []
        while let piece = try Self.piece() {
            let known = input.count
            input += piece
            guard let end = input[known...].lastIndex(of: UInt8(ascii: "\n")) else { continue }
            FileHandle.standardOutput.write(await Self.verdicts(on: input[...end], by: verify))
            input.removeSubrange(...end)
        }
        FileHandle.standardOutput.write(await Self.verdicts(on: input[...], by: verify))
    }

    /// What has come; nil at the end.
    private static func piece() throws -> [UInt8]? {
        while true {
            var count = 0
            let piece = [UInt8](unsafeUninitializedCapacity: pieceMax) { buffer, length in
                count = read(STDIN_FILENO, buffer.baseAddress, buffer.count)
                length = max(0, count)
            }
            if count > 0 { return piece }
            if count == 0 { return nil }
            guard errno == EINTR else {
                throw Fault("Standard input cannot be read: \(String(cString: strerror(errno)))", code: 1)
            }
        }
    }

    /// In the lines' order.
    private static func verdicts(on text: ArraySlice<UInt8>, by verify: Verify) async -> Data {
        let lines = text.split(separator: UInt8(ascii: "\n")).filter { !$0.allSatisfy(isBlank) }
        let share = max(1, lines.count / ProcessInfo.processInfo.activeProcessorCount + 1)
        return await withTaskGroup(of: (start: Int, verdicts: [UInt8]).self) { group in
            for start in stride(from: 0, to: lines.count, by: share) {
                group.addTask {
                    var verdicts: [UInt8] = []
                    for line in lines[start..<min(start + share, lines.count)] {
                        verdicts += await verify.verdict(on: Array(line))
                        verdicts.append(UInt8(ascii: "\n"))
                    }
                    return (start, verdicts)
                }
            }
            var shares: [(start: Int, verdicts: [UInt8])] = []
            for await share in group { shares.append(share) }
            return shares.sorted { $0.start < $1.start }.reduce(into: Data()) { $0 += $1.verdicts }
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (0x09...0x0D).contains(byte) }
}
