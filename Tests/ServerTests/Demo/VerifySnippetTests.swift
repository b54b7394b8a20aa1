import DashboardFiles
import Foundation
import Kit
import StandardWebhooks
import Testing

@testable import Server

/// The code that the bakery shows for verifying, run on what this server signs. The Swift one is compiled into these
/// tests: `VerifySnippet.swift` is a link to the file that is shown. The Python one is run by Tests/Counterparties/demo.
@Suite("The bakery's code verifies what is really signed, and nothing else")
struct VerifySnippetTests {
    private static let secret = "whsec_" + Data(repeating: 9, count: 32).base64EncodedString()
    private static let other = "whsec_" + Data(repeating: 8, count: 32).base64EncodedString()
    private static let node = ["/usr/bin/node", "/usr/local/bin/node"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private struct Case: Sendable {
        let what: String
        let headers: [String: String]
        let body: String
        let isGood: Bool
    }

    private static func cases() throws -> [Case] {
        let body = #"{"type":"user.subscription_updated","data":{"user_id":"mira","status":"active"}}"#
        let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
        func signed(_ secrets: [String], at moment: Timestamp = now) throws -> [String: String] {
            let secrets = try secrets.flatMap { try StandardWebhooks().webhooks.secrets(in: $0) }
            let fields = StandardSignature.sign(Array(body.utf8), id: "chg_1", at: moment, with: secrets)
            return Dictionary(fields.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        }
        var unsigned = try signed([secret])
        unsigned["webhook-signature"] = nil
        return [
            Case(what: "signed", headers: try signed([secret]), body: body, isGood: true),
            Case(what: "while it is rotated", headers: try signed([other, secret]), body: body, isGood: true),
            Case(what: "by another", headers: try signed([other]), body: body, isGood: false),
            Case(what: "changed", headers: try signed([secret]), body: body + " ", isGood: false),
            Case(
                what: "old", headers: try signed([secret], at: now - .seconds(301)), body: body, isGood: false),
            Case(what: "without a signature", headers: unsigned, body: body, isGood: false),
        ]
    }

    @Test("Swift")
    func swift() throws {
        for one in try Self.cases() {
            let read = try? verified(one.headers, Data(one.body.utf8), secret: Self.secret)  // It throws what it refuses.
            #expect((read != nil) == one.isGood, "\(one.what)")
            if one.isGood { #expect(read == Data(one.body.utf8)) }
        }
    }

    @Test("JavaScript", .enabled(if: node != nil, "node is not installed"))
    func javaScript() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("snippet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // A leftover harms nobody.
        try Data(DashboardFiles.verifying.javaScript).write(to: folder.appendingPathComponent("verify.mjs"))
        try Data(Self.driver.utf8).write(to: folder.appendingPathComponent("driver.mjs"))
        let cases = JSON.array(
            try Self.cases().map { one in
                [
                    "headers": .object(
                        one.headers.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }),
                    "body": .string(one.body), "secret": .string(Self.secret),
                ]
            })
        try Data(cases.bytes).write(to: folder.appendingPathComponent("cases.json"))

        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.node))
        process.arguments = [folder.appendingPathComponent("driver.mjs").path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()

        #expect(process.terminationStatus == 0)
        let verdicts = try JSON.parse(Array(said)).elements?.map { $0 == .bool(true) }
        #expect(verdicts == (try Self.cases().map(\.isGood)))
    }

    /// Runs the shown function on each case.
    private static let driver = """
        import { readFileSync } from "node:fs";
        import { verified } from "./verify.mjs";
        const cases = JSON.parse(readFileSync(new URL("cases.json", import.meta.url)));
        const verdicts = cases.map(({ headers, body, secret }) => {
          try { verified(headers, body, secret); return true; } catch { return false; }
        });
        console.log(JSON.stringify(verdicts));
        """
}
