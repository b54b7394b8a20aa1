import Engine
import Kit
import Store

/// A new post: drawn from what each platform declares, checked by the rules of the API, sent once.
enum ComposePage {
    /// Accounts that can be chosen from, and files.
    private static let (accountsShown, objectsShown) = (50, 30)

    static let page = Page(path: "/publish/new", entry: .publish, template: "compose", needs: .admin) { request in
        let publishing = try ComposeCheck.publishing(request)
        guard request.query.allSatisfy({ $0.key == "note" }),
            let kept = try await publishing.draft(of: request.operatorID, in: request.app.database)
        else { return try await content(PostDraft(query: request.query), request) }
        return try await content(PostDraft(kept: kept.fields), keptAt: kept.at, request)
    }

    /// What is typed stands there again, whatever becomes of this page.
    private static func keep(_ draft: PostDraft, _ request: PageRequest) async throws {
        guard draft.isBegun else { return }
        try await ComposeCheck.publishing(request).keepDraft(
            draft.form, of: request.operatorID, in: request.app.database, at: request.now)
    }
    private static func drop(_ request: PageRequest) async throws {
        try await request.app.database.write("drop_draft") { try $0.dropDraft(of: request.operatorID) }
    }

    static let forms: [PageForm] = [
        PageForm(path: "/publish/new", takesFile: true) { request in
            let draft = PostDraft(request.form)
            switch request.form["act"] {
            case "show": return .again(page, try await content(draft, request))
            case "keep":
                try await keep(draft, request)
                return .seeOther("/publish/new", note: "draft_kept")
            case "discard":
                try await drop(request)
                return .seeOther("/publish/new", note: "draft_discarded")
            default: break
            }
            let accounts = try await known(request)
            var (check, body) = try await ComposeCheck.of(draft, accounts, request)
            if let problem = request.form["file_problem"] { check.faults["media"] = [problem] }
            if check.faults.isEmpty {
                do {
                    let answer = try await request.perform(PublicationsAPI.create, body: body)
                    let id = try JSON.parse(answer.body)["id"]?.text ?? ""
                    try await drop(request)
                    return .seeOther("/publish/\(id)", note: draft.isPlanned ? "post_planned" : "post_accepted")
                } catch let problem as Problem where problem.type.status < 500 {
                    check.add(problem, draft)
                }
            }
            return .again(page, try await content(draft, found: check, request))
        },
        // While somebody writes: what the API would say.
        PageForm(path: "/publish/check") { request in
            let draft = PostDraft(request.form)
            try await keep(draft, request)
            let accounts = try await known(request)
            let (check, _) = try await ComposeCheck.of(
                draft, accounts, fileComes: request.form["file_comes"] == "1", request)
            var drawn: String?
            if request.form["act"] == "show" {
                let model = try await content(draft, request).model
                drawn = Templates.shared.render("compose-options", model, in: request.words.language)
            }
            let answer = check.json(options: drawn)
            return .document(Answer(status: 200, contentType: "application/json", body: answer.bytes))
        },
    ]

    /// The connections by id.
    private static func known(_ request: PageRequest) async throws -> [String: ConnectionRow] {
        let rows = try await request.app.database.read("compose_accounts") { session in
            try session.connectionsBySoonest(ConnectionFilter(), limit: accountsShown)
        }
        return byID(rows)
    }
    private static func byID(_ rows: [ConnectionRow]) -> [String: ConnectionRow] {
        Dictionary(rows.map { ($0.id.text, $0) }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: Drawing

    /// - Parameters:
    ///   - found: what is wrong with it, where that was looked for.
    ///   - keptAt: when it was kept, where it is a draft.
    static func content(
        _ draft: PostDraft, found: ComposeCheck? = nil, keptAt: Timestamp? = nil, _ request: PageRequest
    ) async throws -> PageContent {
        let publishing = try ComposeCheck.publishing(request)
        let words = request.words
        let (rows, objects) = try await request.app.database.read("compose_page") { session in
            var objects = try session.objects(user: nil, kind: nil, ListPage(limit: objectsShown))
            if let chosen = ID<ObjectKind>(draft.object), !objects.contains(where: { $0.id == chosen }),
                let row = try session.object(chosen)
            {
                objects.insert(row, at: 0)
            }
            return (try session.connectionsBySoonest(ConnectionFilter(), limit: accountsShown), objects)
        }
        let (counted, body) = try await ComposeCheck.of(draft, byID(rows), request)
        let check = found ?? ComposeCheck(counts: counted.counts, tags: counted.tags)
        let standing = try await request.app.hooks.quotas?.standing() ?? []
        let accounts = rows.map { account($0, draft, check, counted, publishing, standing, request) }
        let chosen = rows.filter { draft.to.contains($0.id) }
        let options = try await ComposeOptions(draft: draft, check: check, publishing: publishing, request: request)
            .sections(chosen)
        let moment = request.reader.local.field(of: request.now + .hours(1))
        let model = ComposeModel(
            accounts: accounts,
            none: accounts.isEmpty
                ? Empty(words("compose.none"), link: Link(words("connections.new"), "/connections/new")) : nil,
            to: .init("to", check.faults), title: draft.title, titleFaults: .init("title", check.faults),
            text: draft.text, textFaults: .init("text", check.faults), tags: counted.tags,
            objects: objects.map { object($0, draft, request) }, addresses: draft.addresses,
            media: .init("media", check.faults), options: options, hasOptions: !options.isEmpty,
            isPlanned: draft.isPlanned, at: draft.at.isEmpty ? moment : draft.at, zone: request.reader.zone,
            when: .init("when", check.faults), form: .init("form", check.faults),
            summary: summary(check, accounts, options),
            isWrong: !check.faults.isEmpty,
            kept: keptAt.map { words("compose.kept", ["time": request.times.moment($0).text]) })
        var head = Head(words("compose.title"))
        head.crumbs = [Link(words("nav.publish"), "/publish")]
        head.lede = words("compose.lede")
        var content = PageContent(head, model, commands: commands(draft, body, request))
        if model.isWrong { content.status = 422 }
        return content
    }

    private static func commands(_ draft: PostDraft, _ body: JSON, _ request: PageRequest) -> [Command] {
        let json = String(decoding: body.bytes, as: UTF8.self)
        let address = ShellText.quoted(request.app.settings.browserAddress + "/v1/publications")
        let curl = """
            curl -H "Authorization: Bearer $PATCHBAY_API_KEY" -H 'Content-Type: application/json' \
            -d \(ShellText.quoted(json)) \(address)
            """
        let target = body["targets"]?.elements?.first
        var line = "patchbay publish \(draft.object.isEmpty ? "FILE" : draft.object)"
        line += " --to " + (target?["connection_id"]?.text ?? "conn_…")
        if !draft.text.isEmpty { line += " --text " + ShellText.quoted(draft.text) }
        for option in target?["options"]?.members ?? [] {
            let value = option.value.text ?? String(decoding: option.value.bytes, as: UTF8.self)
            line += " --option " + ShellText.quoted("\(option.name)=\(value)")
        }
        if let time = body["publish_at"]?.text { line += " --at \(time)" }
        return [Command("curl", curl), Command("CLI", line)]
    }

    private static func account(
        _ row: ConnectionRow, _ draft: PostDraft, _ check: ComposeCheck, _ counted: ComposeCheck,
        _ publishing: Publishing, _ standing: [QuotaStanding], _ request: PageRequest
    ) -> ComposeModel.Account {
        let words = request.words
        let publisher = publishing.publisher(row.provider)
        let isChosen = draft.to.contains(row.id)
        let room = publisher.flatMap { PostRoom(of: row, $0, draft.options(of: row.id, $0), standing) }
        let sentence = room.map { room in
            room.fullUntil.map { words("compose.full", ["time": request.times.moment($0).text]) }
                ?? words(
                    "compose.left",
                    ["n": words.number(room.left), "all": words.number(room.limit), "unit": room.unit])
        }
        return ComposeModel.Account(
            id: row.id.text,
            jack: Jack(ConnectionWords.platform(row, request), size: "m", state: ConnectionWords.lamp(row)),
            name: ConnectionWords.name(row, words), owner: "\(ConnectionWords.platform(row, request)) · \(row.userID)",
            isChosen: isChosen, cannot: cannot(row, publisher, request), left: sentence, isFull: room?.left == 0,
            count: isChosen ? counted.counts[row.id.text] ?? "" : "",
            faults: .init("to.\(row.id)", check.faults))
    }

    /// Why nothing can be sent to an account.
    private static func cannot(
        _ row: ConnectionRow, _ publisher: (any Publisher)?, _ request: PageRequest
    ) -> String? {
        let words = request.words
        guard let publisher else {
            return words("compose.cannot.platform", ["platform": ConnectionWords.platform(row, request)])
        }
        guard row.health.isAlive else { return words("connections.state.\(row.state.rawValue)") }
        // One way of posting is enough: which of them is checked with the options.
        let ways = publisher.waysToPost.map { publisher.scopes(for: $0) }
        guard ways.contains(where: { $0.allSatisfy(row.scopes.contains) }) else {
            return words("compose.cannot.scope", ["scopes": (ways.first ?? []).joined(separator: ", ")])
        }
        return nil
    }

    private static func object(
        _ row: ObjectRow, _ draft: PostDraft, _ request: PageRequest
    ) -> ComposeModel.Choice {
        let name = row.name ?? ShortID(row.id.text).short
        let size = request.words.number(max(1, row.size / 1000))
        return ComposeModel.Choice(
            value: row.id.text,
            label: "\(name) · \(row.facts.kind.rawValue) · \(size) KB · "
                + request.times.moment(row.createdAt).text, isChosen: draft.object == row.id.text)
    }

    /// Every fault on top, linked to its field.
    private static func summary(
        _ check: ComposeCheck, _ accounts: [ComposeModel.Account], _ options: [ComposeModel.Options]
    ) -> [ComposeModel.Summary] {
        check.faults.sorted { $0.key < $1.key }.flatMap { key, said in
            let account = accounts.first { key.contains($0.id) }?.name
            let option = options.flatMap(\.options).first { $0.name == key }?.title
            let place = [account, option].compactMap { $0 }.joined(separator: ", ")
            return said.map { ComposeModel.Summary(href: "#f-\(key)", what: place.isEmpty ? $0 : "\(place): \($0)") }
        }
    }
}

extension Publisher {
    /// Options that differ in what the account's owner must have allowed.
    fileprivate var waysToPost: [JSON] {
        let ways = postOptions.flatMap { option -> [JSON] in
            guard option.usual != nil, case .words(let words) = option.kind else { return [] }
            return words.map { .object([JSONMember(option.name, .string($0))]) }
        }
        return ways.isEmpty ? [.object([])] : ways
    }
}
