import Engine
import Kit
import Store

/// The options of each chosen account: as its platform declares them, and as its owner may choose now.
struct ComposeOptions: Sendable {
    let draft: PostDraft
    let check: ComposeCheck
    let publishing: Publishing
    let request: PageRequest

    /// Each platform is asked side by side.
    func sections(_ rows: [ConnectionRow]) async throws -> [ComposeModel.Options] {
        guard let caller = request.app.hooks.publishing?.caller else { return [] }
        return try await withThrowingTaskGroup(of: (Int, ComposeModel.Options?).self) { group in
            for (index, row) in rows.enumerated() {
                group.addTask { (index, try await section(row, caller)) }
            }
            var found: [(Int, ComposeModel.Options)] = []
            for try await (index, section) in group {
                if let section { found.append((index, section)) }
            }
            return found.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func section(_ row: ConnectionRow, _ caller: ConnectionCaller) async throws -> ComposeModel.Options? {
        guard let publisher = publishing.publisher(row.provider) else { return nil }
        let words = request.words
        var (choices, refused): (PostChoices?, String?)
        do { choices = try await publishing.choices(of: row, by: caller) } catch let problem as CallProblem {
            refused = problem.problem(at: request.now).detail
        }
        var said: String?
        if let choices {
            said = words("compose.asked", ["account": choices.account ?? ConnectionWords.name(row, words)])
            if let longest = choices.longest {
                said? += " " + words("compose.longest", ["time": words.age(longest)])
            }
        }
        return ComposeModel.Options(
            jack: Jack(publisher.about.name, size: "m"), name: ConnectionWords.name(row, words),
            note: words.text("compose.note.\(row.provider)") ?? publisher.postNote, said: refused ?? said,
            isRefused: refused != nil,
            options: publisher.postOptions.map { option($0, row, publisher.about.id, choices) })
    }

    private func option(
        _ option: PostOption, _ row: ConnectionRow, _ provider: String, _ choices: PostChoices?
    ) -> ComposeModel.Option {
        let words = request.words
        let typed = draft.options["\(row.id).\(option.name)"] ?? ""
        var (isFlag, isNumber, offered): (Bool, Bool, [String]?) = (false, false, nil)
        switch option.kind {
        case .flag: isFlag = true
        case .whole: isNumber = true
        case .words(let all): offered = choices?.words[option.name] ?? all
        case .text: break
        }
        return ComposeModel.Option(
            name: "o.\(row.id).\(option.name)",
            title: words.text("compose.option.\(provider).\(option.name)") ?? option.title,
            hint: words.text("compose.hint.\(provider).\(option.name)") ?? option.what, isFlag: isFlag,
            isChoice: offered != nil, isNumber: isNumber, mustChoose: option.usual == nil,
            choices: (offered ?? []).map { value in
                ComposeModel.Choice(
                    value: value, label: words.text("compose.choice.\(provider).\(option.name).\(value)") ?? value,
                    isChosen: typed.isEmpty ? option.usual == value : typed == value)
            },
            value: typed, isChecked: !typed.isEmpty, isSettled: choices?.settled[option.name] != nil,
            unless: option.unless.map { "o.\(row.id).\($0.option)=\($0.value)" },
            faults: .init("o.\(row.id).\(option.name)", check.faults))
    }
}
