import Foundation
import Kit
import TestSupport
import Testing

@testable import Store

@Suite("A schema of one's own", .enabled(if: TestEngine.postgresURL != nil))
struct SchemaRightsTests {
    @Test("where it exists the role needs no right to make one; looking makes nothing")
    func own() async throws {
        try await TestDatabase.withAddress(.postgres) { url in
            let role = "r" + UUID().uuidString.replacing("-", with: "").lowercased()
            let admin = try PostgresAdmin(url: url)
            try admin.run("CREATE ROLE \(role) LOGIN PASSWORD 'secret'")
            var address = try #require(URLComponents(string: url))
            (address.user, address.password) = (role, "secret")
            let database = try PostgresDatabase(
                url: try #require(address.string), connections: 1, ingestConnections: 1, logger: .quiet)

            // What `doctor` and `migrate --print` ask.
            #expect(try await database.schemaState().version == 0)
            _ = try await database.health()
            #expect(try await Self.schemas(in: database) == 0)
            let refused = await problem { _ = try await database.migrate(program: "test", at: .testNow) }
            #expect(refused?.description.contains("CREATE SCHEMA patchbay AUTHORIZATION \"\(role)\"") == true)
            #expect(try await Self.schemas(in: database) == 0)

            try admin.run("CREATE SCHEMA patchbay AUTHORIZATION \(role)")
            #expect(try await database.migrate(program: "test", at: .testNow) == Migrations.all.map(\.version))
            try await database.write("one") { try $0.run("INSERT INTO instance (key, value) VALUES ('k', 'v')") }
            #expect(try await database.schemaState().version == Migrations.known)
            await database.close()
            try admin.run("DROP OWNED BY \(role); DROP ROLE \(role)")
        }
    }

    private static func schemas(in database: any Database) async throws -> Int64? {
        try await database.schema("schemas") { session in
            try session.row("SELECT count(*) FROM pg_namespace WHERE nspname = 'patchbay'") { try $0.integer() }
        }
    }
}
