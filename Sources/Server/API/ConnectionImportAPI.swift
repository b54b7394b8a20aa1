import Engine
import Kit
import Store

/// Takes in connections from elsewhere, a hundred at once.
enum ConnectionImportAPI {
    static let most = 100

    /// What a line says. Checked line by line, so that one fault spoils no other line.
    static let line = Schema.named(
        "ImportedConnection",
        .object([
            .required("user_id", .line(1...256), "The application's user."),
            .required("provider", .slug(), "The platform."),
            .required("account_id", .line(1...256), "The platform's own id of the account."),
            .required("access_token", .line(1...8192), "The access token. Kept sealed; never shown again."),
            .optional("refresh_token", Schema.line(1...8192).orNull, "The refresh token. Only one side may use it."),
            .optional("expires_at", Schema.time.orNull, "When the access token ends; null where nothing says."),
            .optional("refresh_expires_at", Schema.time.orNull, "When the refresh token ends."),
            .optional("obtained_at", Schema.time.orNull, "When the tokens were given; else now. The newer ones count."),
            .optional("app_id", Schema.id(AppKind.self).orNull, "Through which app; else the platform's usual one."),
            .optional("name", Schema.line(0...256).orNull, "The account's name, for people."),
            .optional("scopes", .array(of: .line(1...128), 0...100), "What was granted."),
            .optional(
                "wanted_scopes", .array(of: .line(1...128), 0...100), "What was asked for; else the same."),
        ]))

    static let action = Action(
        "importConnections", "Take in connections from elsewhere",
        notes:
            "Each line is judged by itself: `created`, `updated`, `unchanged` where what is here is as new, `refused` "
            + "with why. The same again changes nothing. Where a refresh token rotates, only one side may use it: "
            + "stop the other one before. A line is an `ImportedConnection`.",
        .needs(.write, "connections"),
        body: .named(
            "ConnectionImport",
            .object([
                .required("connections", .array(of: .anything, 1...most), "The lines."),
                .optional("check", .boolean, "Asks the platform of each that is new or newer, by a harmless call."),
                .optional("dry_run", .boolean, "Says what would become of each, and changes nothing."),
            ])
        ).example([
            "dry_run": true,
            "connections": [
                [
                    "user_id": "user-42", "provider": "tiktok", "account_id": "open-1", "access_token": "act.example",
                    "refresh_token": "rft.example", "expires_at": "2026-11-29T10:15:00Z",
                    "obtained_at": "2026-11-28T10:15:00Z", "scopes": ["user.info.basic"],
                ]
            ],
        ]), isIdempotent: true, answers: [.ok("What became of each line, in their order.", ImportView.schema)],
        problems: [.notSetUp]
    ) { request in
        let (hooks, isRehearsal) = (try request.connecting, request.body["dry_run"]?.boolean ?? false)
        var results: [ImportView.Result] = []
        for json in request.body["connections"]?.elements ?? [] {
            do {
                let (outcome, id) = try await hooks.importing.take(
                    try read(json, at: request.now), isRehearsal: isRehearsal, by: request.caller.id)
                results.append(.init(outcome: outcome.rawValue, connection: id, problem: nil))
            } catch let refusal as ConnectionImporting.Refusal {
                results.append(.init(outcome: "refused", connection: nil, problem: refusal.sentence))
            }
        }
        if request.body["check"]?.boolean == true, !isRehearsal {
            results = await checked(results, by: request.app.hooks.checkConnection)
        }
        return .json(200, ImportView(results: results))
    }

    /// On the way at one time.
    private static let checkedAtOnce = 10

    /// What the platforms say of those that were made or got newer tokens.
    private static func checked(
        _ results: [ImportView.Result], by check: @escaping @Sendable (ID<ConnectionKind>) async -> Finding?
    ) async -> [ImportView.Result] {
        var results = results
        let wanted = results.indices.compactMap { index in
            results[index].outcome == "unchanged" ? nil : results[index].connection.map { (index, $0) }
        }
        for start in stride(from: 0, to: wanted.count, by: checkedAtOnce) {
            await withTaskGroup(of: (Int, Finding?).self) { group in
                for (index, id) in wanted[start..<min(start + checkedAtOnce, wanted.count)] {
                    group.addTask { (index, await check(id)) }
                }
                for await (index, finding) in group {
                    guard let finding else { continue }
                    (results[index].check, results[index].problem) = (
                        finding.verdict.rawValue, finding.verdict == .ok ? nil : finding.sentence
                    )
                }
            }
        }
        return results
    }

    /// - Throws: `Refusal`, naming what is wrong and no value.
    private static func read(_ json: JSON, at now: Timestamp) throws -> ConnectionImporting.Line {
        let problems = line.problems(in: json)
        guard problems.isEmpty, let user = json["user_id"]?.text, let provider = json["provider"]?.text,
            let account = json["account_id"]?.text, let access = json["access_token"]?.text
        else {
            let said = problems.prefix(5).map { "\($0.field): \($0.problem)" }.joined(separator: " ")
            throw ConnectionImporting.Refusal(sentence: said.isEmpty ? "It is no connection." : said)
        }
        func time(_ name: String) -> Timestamp? { json[name]?.text.flatMap(Timestamp.init(rfc3339:)) }
        func words(_ name: String) -> [String]? { json[name]?.elements?.compactMap(\.text) }
        let scopes = words("scopes") ?? []
        let obtained = min(time("obtained_at") ?? now, now)
        return ConnectionImporting.Line(
            userID: user, provider: provider, app: json["app_id"]?.text.flatMap(ID.init), account: account,
            name: json["name"]?.text, scopes: scopes, wanted: words("wanted_scopes") ?? scopes,
            tokens: Tokens(
                access: Secret(access), refresh: json["refresh_token"]?.text.map { Secret($0) },
                expiresAt: time("expires_at"), refreshExpiresAt: time("refresh_expires_at"), scopes: scopes,
                account: account), obtainedAt: obtained)
    }
}

private struct ImportView: View {
    struct Result {
        let outcome: String
        let connection: ID<ConnectionKind>?
        var problem: String?
        /// What the platform says of it.
        var check: String?
    }
    let results: [Result]

    static let schema = Schema.named(
        "ConnectionImportResult",
        .object([
            .required(
                "results",
                .array(
                    of: .object([
                        .required(
                            "outcome", .words(["created", "updated", "unchanged", "refused"]), "What became of it."),
                        .required("connection_id", Schema.id(ConnectionKind.self).orNull, "The connection."),
                        .required("problem", Schema.text().orNull, "Why it is refused, or fails the check."),
                        .required(
                            "check", Schema.words(Finding.Verdict.allCases.map(\.rawValue)).orNull,
                            "What the platform says of it; null where it was not asked."),
                    ])), "One a line, in their order.")
        ]))

    func write(to writer: inout JSONWriter) {
        writer.value([
            "results": .array(
                results.map { result in
                    [
                        "outcome": .string(result.outcome), "connection_id": JSON(result.connection?.text),
                        "problem": JSON(result.problem), "check": JSON(result.check),
                    ]
                })
        ])
    }
}
