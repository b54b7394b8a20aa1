import Foundation
import Kit
import Testing

@Suite("The command line, as a whole")
struct CommandTreeTests {
    /// The program's own description of its verbs.
    private struct Verb {
        let path: [String]
        let json: JSON

        var abstract: String { json["abstract"]?.text ?? "" }
        var discussion: String { json["discussion"]?.text ?? "" }
        var verbs: [Verb] {
            (json["subcommands"]?.elements ?? []).compactMap { child in
                guard let name = child["commandName"]?.text, name != "help", child["shouldDisplay"]?.boolean != false
                else { return nil }
                return Verb(path: path + [name], json: child)
            }
        }
        var leaves: [Verb] { verbs.isEmpty ? [self] : verbs.flatMap(\.leaves) }
        var options: Set<String> {
            Set((json["arguments"]?.elements ?? []).compactMap { $0["preferredName", "name"]?.text })
        }
        var examples: [String] {
            discussion.components(separatedBy: "\n").filter { $0.hasPrefix("  ") && $0.contains("patchbay ") }
        }
    }

    private func root() throws -> Verb {
        let run = try CommandLineRun(["--experimental-dump-help"])
        let json = try JSON.parse(run.output)
        return Verb(path: ["patchbay"], json: try #require(json["command"]))
    }

    @Test("every verb says what it does, and shows two examples that name it")
    func examples() throws {
        let leaves = try root().leaves
        #expect(leaves.count > 40)
        for verb in leaves where !verb.path.contains("bench") {
            let name = verb.path.joined(separator: " ")
            #expect(verb.abstract.hasSuffix("."), "\(name)")
            #expect(verb.discussion.contains("Examples:"), "\(name)")
            #expect(verb.examples.count >= 2, "\(name): \(verb.examples)")
            #expect(verb.examples.allSatisfy { $0.contains(name) }, "\(name): \(verb.examples)")
        }
    }

    /// Verbs that write no answer of the server: they run something, or print one word that scripts take as it is.
    private static let wordsOnly: Set<String> = [
        "patchbay serve", "patchbay demo", "patchbay sandbox", "patchbay verify", "patchbay migrate",
        "patchbay completion", "patchbay keys create", "patchbay vault key", "patchbay users export",
        "patchbay trigger", "patchbay operators add", "patchbay operators reset", "patchbay operators remove",
        "patchbay operators sign-in-link",
    ]

    @Test("every verb that reads has --json")
    func json() throws {
        for verb in try root().leaves where !verb.path.contains("bench") {
            let name = verb.path.joined(separator: " ")
            if !Self.wordsOnly.contains(name) { #expect(verb.options.contains("json"), "\(name)") }
        }
    }

    @Test("completion names the verbs for each shell", arguments: ["bash", "zsh", "fish"])
    func completion(shell: String) throws {
        let run = try CommandLineRun(["completion", shell])
        #expect(run.status == 0)
        for verb in ["listen", "doctor", "reviews"] { #expect(run.output.contains(verb)) }
    }

    @Test(
        "usage is 2, a server that is not there is 3, each with a sentence",
        arguments: [
            (["nonsense"], 2, "nonsense"), (["events", "list", "--nonsense"], 2, "--nonsense"), (["trace"], 2, "<id>"),
            (["completion", "tcsh"], 2, "tcsh"), (["keys", "list"], 3, "cannot be reached"),
            (["status"], 3, "cannot be reached"), (["status", "--ready", "--json"], 3, "cannot be reached"),
            (["users", "get", "x", "--url", "ftp://x"], 2, "no address"),
        ])
    func exitCodes(arguments: [String], status: Int32, words: String) throws {
        let run = try CommandLineRun(
            arguments, environment: ["PATCHBAY_API_KEY": "pb_test_x", "PATCHBAY_URL": "http://127.0.0.1:1"])
        #expect(run.status == status, "\(run.output)")
        #expect(run.output.contains(words), "\(run.output)")
    }

    @Test("without a key the sentence says how to make one")
    func withoutKey() throws {
        let run = try CommandLineRun(["events", "list"])
        #expect(run.status == 2)
        #expect(run.output.contains("patchbay keys create"))
    }
}
