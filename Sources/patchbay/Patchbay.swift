import ArgumentParser
import Server

@main
struct Patchbay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "patchbay",
        abstract: "A self-hosted integration server: webhooks in, kept, applied once, passed on.",
        version: Instance.version,
        subcommands: [Serve.self, VaultCommand.self])
}
