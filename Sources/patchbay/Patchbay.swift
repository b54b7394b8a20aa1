import ArgumentParser
import Foundation
import Server

@main
struct Patchbay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "patchbay",
        abstract: "A self-hosted integration server: webhooks in, kept, applied once, passed on.",
        version: Instance.version,
        subcommands: [
            Serve.self, Demo.self, VerifyCommand.self, Events.self, Jobs.self, Reviews.self, Alerts.self,
            Reconcile.self, Users.self,
            Apps.self, EndpointsCommand.self, Keys.self, OperatorsCommand.self, Audit.self, VaultCommand.self,
            Migrate.self, BackupCommand.self, RestoreCommand.self, Bench.self, DoctorCommand.self, Trace.self,
            Why.self, SandboxCommand.self, Trigger.self, Listen.self, Status.self, Deliveries.self, Calls.self,
            QuotasCommand.self, Completion.self, ConnectionsCommand.self, TokensCommand.self, PublishCommand.self,
            PublicationsCommand.self, SyncCommand.self, RadarCommand.self, ObjectsCommand.self,
        ])

    /// Faults are one sentence on standard error and an exit code of ours; the parser's own usage errors are 2.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let fault as Fault {
            FileHandle.standardError.write(Data("patchbay: \(fault)\n".utf8))
            Foundation.exit(fault.code)
        } catch {
            let isUsage = exitCode(for: error) == .validationFailure
            let text = fullMessage(for: error)
            if !text.isEmpty {
                (isUsage ? FileHandle.standardError : .standardOutput).write(Data((text + "\n").utf8))
            }
            Foundation.exit(isUsage ? 2 : exitCode(for: error).rawValue)
        }
    }
}

/// A sentence on standard error and an exit code: 1 a check failed, 2 usage, 3 not reachable, 4 needs a person.
struct Fault: Error, CustomStringConvertible {
    let description: String
    /// The API's own code of what went wrong, where it said one.
    let problem: String?
    let code: Int32
    init(_ sentence: String, problem: String? = nil, code: Int32) {
        description = sentence
        self.problem = problem
        self.code = code
    }
}
