import ArgumentParser
import Foundation
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

    func run() async throws {
        let verify = Verifying.all
        var output = Data()
        while let line = readLine(strippingNewline: true) {
            if line.allSatisfy(\.isWhitespace) { continue }
            output.append(contentsOf: await verify.verdict(on: Array(line.utf8)))
            output.append(UInt8(ascii: "\n"))
            if output.count > 1 << 16 {
                FileHandle.standardOutput.write(output)
                output.removeAll(keepingCapacity: true)
            }
        }
        FileHandle.standardOutput.write(output)
    }
}
