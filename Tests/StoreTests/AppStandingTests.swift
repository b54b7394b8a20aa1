import Kit
import TestSupport
import Testing

@testable import Store

@Suite("What a platform's answers say of an app")
struct AppStandingTests {
    private let ids = Identifiers(now: { .testNow })

    @Test(
        "the last refusal of each code to its own accounts, and the accounts it posted for", arguments: TestEngine.all)
    func standing(engine: TestEngine) async throws {
        try await TestDatabase.with(engine) { database in
            let (mine, other): (ID<AppKind>, ID<AppKind>) = (ids.make(), ids.make())
            try await database.write("given") { session in
                let (first, second) = (try connect("a", mine, session), try connect("b", mine, session))
                let foreign = try connect("c", other, session)
                try session.insert([
                    call(first, "unaudited", at: .testNow - .minutes(9)), call(second, "unaudited", at: .testNow),
                    call(foreign, "capped", at: .testNow), call(first, nil, at: .testNow),
                    call(first, "elsewhere", at: .testNow),
                ])
                try post(first, "a", at: .testNow - .hours(25), session)
                try post(second, "b", at: .testNow - .hours(1), session)
                try post(second, "b", at: .testNow, session)
                try post(foreign, "c", at: .testNow, session)
            }

            let (codes, since) = (["unaudited", "capped"], Timestamp.testNow - .hours(24))
            let found = try await database.read("standing") { session in
                try session.standing(of: mine, codes: codes, since: since)
            }
            #expect(found.seen == ["unaudited": .testNow])
            #expect(found.accounts == 1)
        }
    }

    // MARK: -

    private func connect(_ account: String, _ app: ID<AppKind>, _ session: Session) throws -> ID<ConnectionKind> {
        try session.connect(
            NewConnection(
                id: ids.make(), userID: "u_\(account)", provider: "p", app: app, openID: account, name: nil, scopes: [],
                wanted: [], isPending: false), at: .testNow
        ).id
    }

    private func call(_ connection: ID<ConnectionKind>, _ code: String?, at time: Timestamp) -> CallRow {
        var call = CallRow(
            id: ids.make(), provider: "p", purpose: "publish", method: "POST", host: "p.example", path: "/", at: time)
        call.connection = connection.text
        (call.outcome, call.code) = (code == nil ? "ok" : "forbidden", code)
        return call
    }

    private func post(_ connection: ID<ConnectionKind>, _ account: String, at time: Timestamp, _ session: Session)
        throws
    {
        let (publication, target): (ID<PublicationKind>, ID<TargetKind>) = (ids.make(), ids.make())
        try session.run(
            """
            INSERT INTO publications (id, content, media, created_by, version, created_at, updated_at)
            VALUES (\(publication), '{}', '[]', 'key', 1, \(time), \(time))
            """)
        try session.run(
            """
            INSERT INTO publication_targets (id, publication_id, connection_id, provider, account_id, options, state,
                                             source, started_at, version, created_at, updated_at)
            VALUES (\(target), \(publication), \(connection), 'p', \(account), '{}', 'published', 'object', \(time), 1,
                    \(time), \(time))
            """)
    }
}
