import Kit
import Testing

@Suite("Places in JSON")
struct JSONPathTests {
    private static let json = #"{"a":{"b":[{"c":1.10},"x"],"b c":true},"z":null,"a.b":3,"é":"e"}"#

    @Test(
        "what stands at a place",
        arguments: [
            ("$.a.b[0].c", "1.10"), ("$.a.b[1]", #""x""#), ("$.z", "null"), ("$.é", #""e""#), ("$.a.b c", "true"),
            ("$.a.b[2]", nil), ("$.a.c", nil), ("$.z.a", nil), ("$.a[0]", nil), ("$.a.b.c", nil),
        ] as [(String, String?)])
    func value(path: String, text: String?) throws {
        let found = try #require(JSONPath(path)).values(in: try JSON.parse(Array(Self.json.utf8)))
        #expect(found.map { String(decoding: $0.bytes, as: UTF8.self) } == [text].compactMap { $0 })
    }

    @Test("one place in each element of a list, in order; elements without it are left out")
    func everyElement() throws {
        let json = try JSON.parse(#"{"lines":[{"id":"a"},{"no":1},{"id":"b"}],"id":[[1,2],[3]]}"#)
        #expect(try #require(JSONPath("$.lines[*].id")).values(in: json) == ["a", "b"])
        #expect(try #require(JSONPath("$.id[*][*]")).values(in: json).map(\.numberText) == ["1", "2", "3"])
        #expect(try #require(JSONPath("$.lines[0][*]")).values(in: json).isEmpty)
    }

    @Test(
        "what is no place",
        arguments: [
            "", "$", "a.b", "$a", "$.", "$.a.", "$..a", "$.a[", "$.a[]", "$.a[x]", "$.a[-1]", "$.a[9999999]", "$[0",
            "$.a[**]", "$.a[*",
        ])
    func nonsense(text: String) { #expect(JSONPath(text) == nil) }

    @Test("a path of a thousand steps is none") func long() {
        #expect(JSONPath("$" + String(repeating: ".a", count: 1000)) == nil)
    }
}
