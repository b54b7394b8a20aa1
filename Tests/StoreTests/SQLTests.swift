import Kit
import Testing

@testable import Store

@Suite("SQL")
struct SQLTests {
    @Test("what is interpolated is bound, never text")
    func injection() {
        let name = "x'; DROP TABLE jobs; --"

        let sql: SQL = "SELECT id FROM jobs WHERE kind = \(name) AND attempts < \(3)"

        #expect(sql.text(placeholder: "$") == "SELECT id FROM jobs WHERE kind = $1 AND attempts < $2")
        #expect(sql.text(placeholder: "?") == "SELECT id FROM jobs WHERE kind = ?1 AND attempts < ?2")
        #expect(sql.values == [.text(name), .integer(3)])
    }

    @Test("a spliced fragment brings its values along, in order")
    func splicing() {
        let filter: SQL = "b = \(2) AND c = \("three")"

        let sql: SQL = "SELECT 1 WHERE a = \(1) AND \(filter) AND d = \(4)"

        #expect(sql.text(placeholder: "$") == "SELECT 1 WHERE a = $1 AND b = $2 AND c = $3 AND d = $4")
        #expect(sql.values == [.integer(1), .integer(2), .text("three"), .integer(4)])
    }

    @Test("rows become VALUES, cast in the first row only")
    func rows() {
        let sql = SQL.rows([[.text("a"), .integer(1)], [.text("b"), .integer(2)]], casts: ["TEXT", "BIGINT"])

        #expect(sql.text(placeholder: "$") == "(CAST($1 AS TEXT), CAST($2 AS BIGINT)), ($3, $4)")
    }
}
