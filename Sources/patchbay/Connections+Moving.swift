import ArgumentParser
import Engine
import Foundation
import Kit
import Server
import Store

/// Where the passphrase of a sealed file comes from.
struct PassphraseOptions: ParsableArguments {
    @Option(help: "A file that holds the passphrase; else PATCHBAY_EXPORT_PASSPHRASE.")
    var passphraseFile: String?

    func passphrase() throws -> Secret? {
        if let passphraseFile {
            guard let text = try? String(contentsOfFile: passphraseFile, encoding: .utf8) else {
                throw Fault("\(passphraseFile) cannot be read.", code: 2)
            }
            return Secret(String(text.reversed().drop(while: \.isNewline).reversed()))
        }
        return ProcessInfo.processInfo.environment["PATCHBAY_EXPORT_PASSPHRASE"].map { Secret($0) }
    }
}

extension ConnectionsCommand {
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes connections with their tokens into a file that a passphrase seals.",
            discussion: """
                Reads the settings and the database, and needs no running server. Only one side may use a refresh token
                that rotates: with --pause the exported connections are paused here. They are still kept alive, so stop
                this instance before the other one begins.

                Examples:
                  patchbay connections export moving.sealed --passphrase-file phrase --pause
                  patchbay connections export tiktok.sealed --provider tiktok --config /etc/patchbay.env
                """)
        @OptionGroup var options: SettingsOptions
        @OptionGroup var sealing: PassphraseOptions
        @Argument(help: "The file to make; one that is there stays as it is.") var file: String
        @Option(help: "Of one platform.") var provider: String?
        @Flag(help: "Pauses what is exported.") var pause = false
        @Flag(help: "Not sealed: whoever reads the file can act for every account in it.") var plaintext = false
        @Flag(help: "One JSON object instead of sentences.") var json = false

        func run() async throws {
            let passphrase = try sealing.passphrase()
            guard plaintext || passphrase != nil else {
                throw Fault("A passphrase is missing: --passphrase-file FILE or PATCHBAY_EXPORT_PASSPHRASE.", code: 2)
            }
            guard !FileManager.default.fileExists(atPath: file) else {
                throw Fault("\(file) is there already. Name a new file.", code: 2)
            }
            let ids = Identifiers(now: { Timestamp.system })
            // Before anything is paused: whether it can be sealed at all.
            if !plaintext, let passphrase { _ = try sealed([], passphrase, ids) }
            let outcome = try await export(ids)
            let lines = try plaintext ? outcome.lines : passphrase.map { try sealed(outcome.lines, $0, ids) } ?? []
            let text = lines.map { $0 + "\n" }.joined()
            guard
                FileManager.default.createFile(
                    atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
            else { throw Fault("\(file) cannot be written.", code: 1) }
            tell(outcome)
            if !outcome.unopened.isEmpty { throw ExitCode(1) }
        }

        private func sealed(_ lines: [String], _ passphrase: Secret, _ ids: Identifiers) throws -> [String] {
            do { return try SealedLines.seal(lines, passphrase: passphrase, ids: ids) } catch {
                throw Fault(error.description, code: 2)
            }
        }

        private func export(_ ids: Identifiers) async throws -> ConnectionExport.Outcome {
            let settings = try options.settings()
            do {
                let database = try Instance.open(
                    settings.database, owner: false, logger: LogOutput.logger(settings.log))
                guard try await database.schemaState().version > 0 else {
                    await database.close()
                    throw Fault("The database is empty. Start the server first: patchbay serve", code: 1)
                }
                let vault = Vault(keyring: Keyring(settings.encryptionKeys.map { ($0.id, $0.secret) }))
                let outcome = try await ConnectionExport(database: database, vault: vault, ids: ids, time: .system)
                    .lines(of: provider, pauses: pause, by: "cli")
                await database.close()
                return outcome
            } catch let fault as Fault {
                throw fault
            } catch {
                throw Fault("\(error)", code: 1)
            }
        }

        private func tell(_ outcome: ConnectionExport.Outcome) {
            for (id, problem) in outcome.unopened { note("\(id): \(problem)") }
            if plaintext { note("\(file) holds tokens in the clear: delete it when it was imported.") }
            if outcome.refreshing > 0 {
                note(
                    "\(outcome.refreshing) have refresh tokens, which only one side may use: stop this instance before "
                        + "the other one begins.")
            }
            guard json else { return say("\(outcome.lines.count) connections are in \(file).") }
            let result: JSON = [
                "exported": JSON(outcome.lines.count), "refreshing": JSON(outcome.refreshing),
                "unopened": JSON(outcome.unopened.count), "sealed": .bool(!plaintext),
            ]
            say(result.line)
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes in connections from a file: sealed by an export, or JSON lines.",
            discussion: """
                Each line names `user_id`, `provider`, `account_id` and `access_token`, and may say `refresh_token`,
                `expires_at`, `obtained_at`, `scopes` and more: see POST /v1/connections/import. A line that is refused
                is told and the rest goes on; the same file again changes nothing. Exit code 1 when one was refused.

                Examples:
                  patchbay connections import moving.sealed --passphrase-file phrase --dry-run
                  patchbay connections import connections.jsonl
                """)
        @OptionGroup var server: ServerOptions
        @OptionGroup var sealing: PassphraseOptions
        @Argument(help: "The file.") var file: String
        @Flag(help: "Says what would become of each, and changes nothing.") var dryRun = false
        @Flag(help: "Asks the platform of each that is new or newer, by a harmless call.") var check = false

        private static let atOnce = 50
        private static let toldMax = 20

        func run() async throws {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw Fault("\(file) cannot be read.", code: 2)
            }
            let lines = try lines(in: String(decoding: data, as: UTF8.self))
            let client = try server.server()
            var (counts, faults): ([String: Int], [(line: Int, problem: String)]) = ([:], [])
            var readable: [(line: Int, json: JSON)] = []
            for (number, line) in lines {
                do { readable.append((number, try JSON.parse(Array(line.utf8)))) } catch {
                    faults.append((number, "It is no JSON: \(error.sentence)"))
                }
            }
            for start in stride(from: 0, to: readable.count, by: Self.atOnce) {
                let part = readable[start..<min(start + Self.atOnce, readable.count)]
                let answer = try await client.sendPatiently(
                    "POST", "/v1/connections/import",
                    body: ["dry_run": .bool(dryRun), "check": .bool(check), "connections": .array(part.map(\.json))])
                for (line, result) in zip(part, answer["results"]?.elements ?? []) {
                    counts[result["outcome"]?.text ?? "refused", default: 0] += 1
                    if let problem = result["problem"]?.text { faults.append((line.line, problem)) }
                }
            }
            tell(counts, faults.sorted { $0.line < $1.line })
            if !faults.isEmpty { throw ExitCode(1) }
        }

        private func lines(in text: String) throws -> [(Int, String)] {
            var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
            if SealedLines.isSealed(text) {
                guard let passphrase = try sealing.passphrase() else {
                    throw Fault("The file is sealed: --passphrase-file FILE or PATCHBAY_EXPORT_PASSPHRASE.", code: 2)
                }
                do { lines = try SealedLines.open(text, passphrase: passphrase) } catch {
                    throw Fault(error.description, code: 2)
                }
            }
            return lines.enumerated().filter { !$0.element.allSatisfy(\.isWhitespace) }.map {
                ($0.offset + 1, $0.element)
            }
        }

        private func tell(_ counts: [String: Int], _ faults: [(line: Int, problem: String)]) {
            for (line, problem) in faults.prefix(Self.toldMax) { note("\(file), line \(line): \(problem)") }
            func count(_ outcome: String) -> Int { counts[outcome] ?? 0 }
            let result: JSON = [
                "created": JSON(count("created")), "updated": JSON(count("updated")),
                "unchanged": JSON(count("unchanged")), "refused": JSON(faults.count), "dry_run": .bool(dryRun),
            ]
            server.print(result) { _ in
                say(
                    "\(count("created")) new, \(count("updated")) updated, \(count("unchanged")) unchanged, "
                        + "\(faults.count) refused."
                        + (dryRun ? " Nothing was changed." : ""))
            }
        }
    }
}
