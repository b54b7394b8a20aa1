import Engine
import Kit
import Store

/// One call to a platform: what it came to, and its bodies where they were captured.
enum CallPage {
    /// What left, or what came back.
    struct Side: Sendable {
        let title: String
        let about: String
        let head: CodeView
        let body: CodeView?
    }
    struct Model: Sendable {
        let facts: [Fact]
        let sides: [Side]
        /// Why there is nothing of bodies here.
        let nothing: String?
    }

    static let page = Page(path: "/calls/{id}", entry: .connections, template: "call") { request in
        let (id, words) = (try request.id(CallKind.self), request.words)
        let found = try await request.app.database.read("call_page") { session in
            (row: try session.call(id), has: try !session.haveCaptured([id]).isEmpty)
        }
        guard let row = found.row else { throw PageProblem.notFound }
        // What people sent and got is for those who may ask for it.
        let captured = request.mayAct && found.has ? try await request.app.hooks.captures?.captured(id) : nil
        var head = Head("\(row.method) \(row.path)")
        head.isCode = true
        head.id = ShortID(id.text)
        head.jack = Jack(ProviderNames.of(row.provider), size: "l")
        head.pill = CallWords.pill(row, words)
        head.crumbs = ConnectionPage.crumbs(words)
        if let connection = row.connection {
            head.crumbs.append(Link(ShortID(connection).short, "/connections/\(connection)"))
        }
        return PageContent(
            head,
            Model(
                facts: facts(row, request), sides: captured.map { sides($0, request) } ?? [],
                nothing: captured == nil ? words(found.has ? "call.not_for_you" : "call.not_kept") : nil),
            commands: [request.curl("/v1/calls/\(id)"), Command("CLI", "patchbay calls show \(id)")])
    }

    private static func facts(_ row: CallRow, _ request: PageRequest) -> [Fact] {
        let words = request.words
        var facts = [
            Fact(words("call.at"), request.times.exact(row.at)),
            Fact(words("call.took"), words.took(row.latency)),
            Fact(words("call.host"), row.host, isCode: true),
            Fact(words("call.status"), row.status.map { String($0) } ?? "–"),
            Fact(words("call.purpose"), row.purpose, isCode: true),
            Fact(words("call.attempt"), words.number(row.attempt)),
        ]
        if let code = row.code { facts.append(Fact(words("call.code"), code, isCode: true)) }
        if let subject = row.subject {
            facts.append(Fact(words("call.subject"), subject, href: "/trace/\(subject)", isCode: true))
        }
        return facts
    }

    private static func sides(_ captured: JSON, _ request: PageRequest) -> [Side] {
        let words = request.words
        func side(_ name: String, _ first: String?) -> Side? {
            guard let part = captured[name], !part.isNull else { return nil }
            let headers = (part["headers"]?.elements ?? []).map {
                "\($0["name"]?.text ?? ""): \($0["value"]?.text ?? "")"
            }
            let lines = (first.map { [$0] } ?? []) + headers
            let body = part["body"] ?? .null
            return Side(
                title: words("call.\(name)"), about: about(body, words),
                head: .text(Array(lines.joined(separator: "\n").utf8), words), body: code(body, request))
        }
        return [side("request", captured["request", "url"]?.text), side("answer", nil)].compactMap(\.self)
    }

    private static func about(_ body: JSON, _ words: Words) -> String {
        let bytes = words("event.bytes", ["n": words.number(body["bytes"]?.integer ?? 0)])
        guard body["kind"] == "left_out" else { return bytes }
        let why = body["why"]?.text ?? ""
        return bytes + " · " + words("call.left_out.\(why)", ["type": body["looks_like"]?.text ?? "?"])
    }

    private static func code(_ body: JSON, _ request: PageRequest) -> CodeView? {
        guard let text = body["text"]?.text else { return nil }
        guard body["kind"] == "json", let json = try? JSON.parse(text) else {
            return .text(Array(text.utf8), request.words)
        }
        return CodeView(JSONLines(json, known: [:], times: request.times).lines, request.words)
    }
}

/// The latest calls on a connection's behalf, and whether their bodies are kept.
struct ConnectionCalls: Sendable {
    struct Row: Sendable {
        let href: String
        let what: String
        let pill: Pill
        let took: String
        let at: TimeModel
    }
    /// What a page reads.
    struct Found: Sendable {
        let rows: [CallRow]
        let captures: [CaptureRow]
    }
    let rows: [Row]
    let hasRows: Bool
    /// While bodies are kept.
    let capture: String?
    /// Where that is ended, for those who may.
    let end: String?

    private static let shown = 10

    static func find(_ row: ConnectionRow, in session: Session, at now: Timestamp) throws -> Found {
        var filter = CallFilter()
        filter.connection = row.id.text
        let calls = try session.calls(filter, ListPage(limit: shown))
        let open = try session.openCaptures(at: now).filter {
            $0.connection == row.id || $0.connection == nil && $0.provider == row.provider
        }
        return Found(rows: Array(calls.prefix(shown)), captures: open)
    }

    init(_ found: Found, _ row: ConnectionRow, _ request: PageRequest) {
        let (words, times) = (request.words, request.times)
        rows = found.rows.map { call in
            Row(
                href: "/calls/\(call.id)", what: "\(call.method) \(call.path)", pill: CallWords.pill(call, words),
                took: words.took(call.latency), at: times.moment(call.at))
        }
        hasRows = !rows.isEmpty
        capture = found.captures.first.map { open in
            words(
                "connection.captures",
                [
                    "time": times.moment(open.endsAt).text, "n": words.number(open.calls),
                    "most": words.number(open.callsMax),
                ])
        }
        let isOwn = found.captures.contains { $0.connection == row.id }
        end = isOwn && request.mayAct ? "/connections/\(row.id)/capture/end" : nil
    }
}

/// Keeping bodies of a connection's calls, from its page.
enum CaptureForms {
    static let confirmation = Page(
        path: "/connections/{id}/capture", entry: .connections, template: "confirm", needs: .admin
    ) { request in
        let (id, words) = (try request.id(ConnectionKind.self), request.words)
        guard let row = try await request.app.database.read("connection", { try $0.connection(id) }),
            row.deletedAt == nil
        else { throw PageProblem.notFound }
        let account = ConnectionWords.name(row, words)
        return ConfirmPage.content(
            words("capture.title", ["account": account]),
            [
                words(
                    "capture.keeps",
                    ["time": words.age(Captures.usual), "n": words.number(Captures.usualCalls)]),
                words("capture.without"), words("capture.about_people"),
            ], action: "/connections/\(id)/capture", button: words("capture.button"), isDanger: false,
            back: "/connections/\(id)",
            crumbs: ConnectionPage.crumbs(words) + [Link(account, "/connections/\(id)")], request)
    }

    static let forms: [PageForm] = [
        PageForm(path: "/connections/{id}/capture") { request in
            let id = try request.id(ConnectionKind.self)
            _ = try await request.perform(CapturesAPI.create, body: ["connection_id": JSON(id)])
            return .seeOther("/connections/\(id)", note: "capture_began")
        },
        PageForm(path: "/connections/{id}/capture/end") { request in
            let (id, now) = (try request.id(ConnectionKind.self), request.now)
            let open = try await request.app.database.read("open_captures") { try $0.openCaptures(at: now) }
            for capture in open where capture.connection == id {
                _ = try await request.perform(CapturesAPI.end, path: ["id": capture.id.text])
            }
            return .seeOther("/connections/\(id)", note: "capture_ended")
        },
    ]
}

/// What the ends of calls are called.
enum CallWords {
    static func pill(_ row: CallRow, _ words: Words) -> Pill {
        let state: LampState =
            switch row.outcome {
            case "ok": .ok
            case "throttled", "unavailable": .waiting
            default: .failed
            }
        return Pill(state, words("call.outcome.\(row.outcome)"), isBare: true)
    }
}
