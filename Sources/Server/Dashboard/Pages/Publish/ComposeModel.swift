import Engine
import Kit
import Store

/// The form for a new post: where, what, when, and what is wrong with it, each fault at its field.
struct ComposeModel: Sendable {
    struct Account: Sendable {
        let id: String
        let jack: Jack
        let name: String
        let owner: String
        let isChosen: Bool
        /// Why nothing can be sent to it; nil where it can be chosen.
        let cannot: String?
        /// What is left of its day.
        let left: String?
        let isFull: Bool
        let count: String
        let faults: Faults
    }
    /// What is wrong at one field.
    struct Faults: Sendable {
        let key: String
        let said: [String]
        let isWrong: Bool

        init(_ key: String, _ all: [String: [String]]) {
            self.key = key
            said = all[key] ?? []
            isWrong = !said.isEmpty
        }
    }
    struct Choice: Sendable {
        let value: String
        let label: String
        let isChosen: Bool
    }
    struct Option: Sendable {
        /// `o.conn_….privacy_level`.
        let name: String
        let title: String
        let hint: String
        let isFlag: Bool
        let isChoice: Bool
        let isNumber: Bool
        /// Nothing is chosen beforehand.
        let mustChoose: Bool
        let choices: [Choice]
        let value: String
        let isChecked: Bool
        /// The account's owner has it off.
        let isSettled: Bool
        let unless: String?
        let faults: Faults
    }
    struct Options: Sendable {
        let jack: Jack
        let name: String
        let note: String?
        /// What the platform said of it just now.
        let said: String?
        let isRefused: Bool
        let options: [Option]
    }
    struct Summary: Sendable {
        let href: String
        let what: String
    }

    let accounts: [Account]
    let none: Empty?
    let to: Faults
    let title: String
    let titleFaults: Faults
    let text: String
    let textFaults: Faults
    let tags: String
    let objects: [Choice]
    let addresses: String
    let media: Faults
    let options: [Options]
    let hasOptions: Bool
    let isPlanned: Bool
    let at: String
    let zone: String
    let when: Faults
    let form: Faults
    let summary: [Summary]
    let isWrong: Bool
    /// That this is what was begun before.
    let kept: String?
}

/// Faults and counts of a draft, found as the API finds them.
struct ComposeCheck: Sendable {
    /// By the form's fields.
    var faults: [String: [String]] = [:]
    /// By connection, `304 / 2,200`.
    var counts: [String: String] = [:]
    var tags = ""

    /// - Parameter fileComes: a file is chosen that is not here yet, so that nothing is said of the media.
    static func of(
        _ draft: PostDraft, _ known: [String: ConnectionRow], fileComes: Bool = false, _ request: PageRequest
    ) async throws -> (ComposeCheck, JSON) {
        var check = ComposeCheck()
        let publishing = try publishing(request)
        let publishers = known.compactMapValues { publishing.publisher($0.provider) }
        let moment = check.moment(of: draft, request)
        let body = draft.body(publishers, at: moment)
        do {
            let asked = try request.asked(PublicationsAPI.create, body: body)
            _ = try await asked.checkedPublication()
        } catch let problem as Problem where problem.type == .invalidFields {
            check.add(problem, draft)
        }
        if fileComes { check.faults["media"] = nil }
        check.count(draft, body, publishers, known, request.words)
        return (check, body)
    }

    static func publishing(_ request: PageRequest) throws -> Publishing {
        guard let hooks = request.app.hooks.publishing else {
            throw Problem(.notSetUp, "Publishing needs PATCHBAY_ENCRYPTION_KEYS. Make one with: patchbay vault key")
        }
        return hooks.publishing
    }

    mutating func add(_ problem: Problem, _ draft: PostDraft) {
        guard !problem.fields.isEmpty else {
            faults["form", default: []].append(problem.detail)
            return
        }
        for fault in problem.fields {
            let key = draft.field(of: fault.field)
            let said = key == "form" ? "\(fault.field): \(fault.problem)" : fault.sentence
            if faults[key]?.contains(said) != true { faults[key, default: []].append(said) }
        }
    }

    private mutating func moment(of draft: PostDraft, _ request: PageRequest) -> Timestamp? {
        guard draft.isPlanned else { return nil }
        switch request.reader.local.moment(field: draft.at) {
        case .success(let moment): return moment
        case .failure: faults["when"] = [request.words("compose.skipped")]
        case nil: faults["when"] = [request.words("compose.no_time")]
        }
        return nil
    }

    private mutating func count(
        _ draft: PostDraft, _ body: JSON, _ publishers: [String: any Publisher], _ known: [String: ConnectionRow],
        _ words: Words
    ) {
        let media = (body["media"]?.elements ?? []).map { medium in
            Post.Medium(medium["url"]?.text.map { .url($0) } ?? .object(ID(stored: medium["object_id"]?.text ?? "")))
        }
        for (id, publisher) in publishers {
            let post = Post(
                title: draft.title.isEmpty ? nil : draft.title, text: draft.text, media: media,
                options: draft.options(of: ID(stored: id), publisher), account: known[id]?.openID ?? "")
            let limits = publisher.limits(of: post)
            guard let most = limits.text else { continue }
            counts[id] = words(
                "compose.count", ["n": words.number(limits.count(draft.text)), "most": words.number(most)])
        }
        func marks(_ mark: Character) -> Int {
            draft.text.split(whereSeparator: \.isWhitespace).count { $0.first == mark && $0.count > 1 }
        }
        tags = words("compose.tags", ["tags": words.number(marks("#")), "names": words.number(marks("@"))])
    }

    /// For the script, which writes them at their fields.
    func json(options: String?) -> JSON {
        var members = [
            JSONMember(
                "faults",
                .object(faults.sorted { $0.key < $1.key }.map { .init($0.key, .array($0.value.map(JSON.string))) })),
            JSONMember("counts", .object(counts.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
            JSONMember("tags", .string(tags)),
        ]
        if let options { members.append(JSONMember("options", .string(options))) }
        return .object(members)
    }
}
