import ArgumentParser

/// What makes a shell complete our verbs and options.
struct Completion: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a script that makes a shell complete verbs and options.",
        discussion: """
            Examples:
              source <(patchbay completion bash)
              patchbay completion fish > ~/.config/fish/completions/patchbay.fish
            """)

    /// The shells that can be told.
    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() throws {
        let shell: CompletionShell =
            switch self.shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        say(Patchbay.completionScript(for: shell))
    }
}
