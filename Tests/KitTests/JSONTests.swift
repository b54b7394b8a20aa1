import Kit
import Testing

@Suite("JSON: what is accepted")
struct JSONAcceptanceTests {
    /// Both readers' opinion.
    private func accepts(_ bytes: [UInt8]) -> (tree: Bool, scan: Bool) {
        let tree = (try? JSON.parse(bytes)) != nil
        let scan = (try? JSONScan([["a"], ["a", "b"]]).read(bytes)) != nil
        return (tree, scan)
    }

    @Test("every file of JSONTestSuite is judged as its name says, by tree and scan alike")
    func suite() throws {
        let folder = "json-test-suite/test_parsing"
        let names = try Vectors.names(in: folder)
        #expect(names.count == 316)

        for name in names {
            let (tree, scan) = accepts(try Vectors.bytes("\(folder)/\(name)"))
            #expect(tree == scan, "\(name)")
            if name.hasPrefix("y_") { #expect(tree, "\(name)") }
            if name.hasPrefix("n_") { #expect(!tree, "\(name)") }
        }
    }

    @Test("endless nesting is refused, not followed", arguments: ["[", #"[{"":"#, #"{"a":"#])
    func nesting(opening: String) {
        let (tree, scan) = accepts(Array(String(repeating: opening, count: 100_000).utf8))
        #expect(!tree && !scan)
    }

    @Test("two hundred levels are read, one more is not")
    func depth() {
        func nested(_ levels: Int) -> [UInt8] {
            Array((String(repeating: "[", count: levels) + String(repeating: "]", count: levels)).utf8)
        }
        #expect(accepts(nested(200)) == (true, true))
        #expect(accepts(nested(201)) == (false, false))
    }

    @Test("a document that was cut anywhere is refused")
    func cut() {
        let whole = Array(#"{"a":{"b":[1,-2.5e+3,true,null,"é🦁\u00e9\ud83e\udd81"]},"a":"x"}"#.utf8)
        #expect(accepts(whole) == (true, true))
        for length in 0..<whole.count { #expect(accepts(Array(whole.prefix(length))) == (false, false), "\(length)") }
    }

    @Test("no single changed byte makes tree and scan disagree")
    func agreement() {
        let whole = Array(#"{"a":{"b":[10,-2.5e+3,true,null,"é🦁\u00e9\ud83e plain text"]},"a":"x"}"#.utf8)
        for index in whole.indices {
            for byte in UInt8.min ... .max {
                var changed = whole
                changed[index] = byte
                let (tree, scan) = accepts(changed)
                #expect(tree == scan, "byte \(index) as \(byte)")
            }
        }
    }

    @Test("text is the same UTF-8 that Swift accepts, wherever it lies in a long one")
    func utf8() {
        let sequences: [[UInt8]] = [
            [0x80], [0xC1, 0x80], [0xC2, 0x80], [0xC2], [0xDF, 0xBF], [0xE0, 0x9F, 0x80], [0xE0, 0xA0, 0x80],
            [0xED, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xEF, 0xBF, 0xBF], [0xF0, 0x8F, 0x80, 0x80],
            [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xF0, 0x90, 0x80], [0xFF], [0xE2, 0x82, 0x22],
        ]
        for sequence in sequences {
            for before in 0..<20 {
                let text = [UInt8](repeating: 0x61, count: before) + sequence + Array("tail".utf8)
                let expected = String(validating: text, as: UTF8.self) != nil && !text.contains(0x22)
                let (tree, scan) = accepts([0x22] + text + [0x22])
                #expect(tree == expected && scan == expected, "\(sequence) after \(before)")
            }
        }
    }

    @Test(
        "a problem says where and why",
        arguments: [
            ("", "Not JSON at byte 0: it ends too early."),
            ("{\"a\" 1}", "Not JSON at byte 5: a colon should stand here."),
            ("[1,]", "Not JSON at byte 3: a value should stand here."),
            ("[1] 2", "Not JSON at byte 4: something follows the end."),
            ("\u{FEFF}{}", "Not JSON at byte 0: it begins with a byte order mark."),
            ("[01]", "Not JSON at byte 2: a comma or the end of the list should stand here."),
            ("\"\\x\"", "Not JSON at byte 2: no such escape."),
            ("[tru]", "Not JSON at byte 4: only true, false and null are words."),
        ])
    func problems(document: String, sentence: String) {
        #expect { try JSON.parse(document) } throws: { ($0 as? JSON.Problem)?.sentence == sentence }
    }
}

@Suite("JSON: what is kept")
struct JSONValueTests {
    @Test("numbers keep their text and objects their order")
    func kept() throws {
        let text = #"{"z":1.10,"a":1e400,"m":-0,"n":12345678901234567890123,"l":[1.0,true,null,{}]}"#

        #expect(try JSON.parse(text).bytes == Array(text.utf8))
    }

    @Test("of duplicate names the last counts, and both are visible")
    func duplicates() throws {
        let json = try JSON.parse(#"{"a":{"b":1},"a":{"c":2}}"#)

        #expect(json["a", "c"]?.integer == 2)
        #expect(json["a", "b"] == nil)
        #expect(json.members?.count == 2)
    }

    @Test(
        "integers are exact",
        arguments: [
            ("9223372036854775807", Int64.max), ("-9223372036854775808", .min), ("-0", 0), ("9223372036854775808", nil),
            ("1.0", nil), ("1e2", nil),
        ])
    func integers(text: String, value: Int64?) throws {
        #expect(try JSON.parse(text).integer == value)
        #expect(try JSONScan([[]]).read(Array(text.utf8)).integer(0) == value)
    }

    @Test(
        "escapes are read; half a pair of surrogates becomes the replacement character",
        arguments: [
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u0000""#, "\u{E9}\u{0}"),
            (#""\uD83E\udD81""#, "🦁"),
            (#""\ud83ex""#, "\u{FFFD}x"), (#""\udd81\ud83e""#, "\u{FFFD}\u{FFFD}"), (#""\ud83e\u0041""#, "\u{FFFD}A"),
            (#""\ud83e\ud83e\udd81""#, "\u{FFFD}🦁"), (#""\ud83e\n""#, "\u{FFFD}\n"),
        ])
    func escapes(document: String, text: String) throws {
        #expect(try JSON.parse(document).text?.hasSameBytes(as: text) == true)
        #expect(try JSONScan([[]]).read(Array(document.utf8)).text(0)?.hasSameBytes(as: text) == true)
    }

    @Test("values that look alike are not equal")
    func canonicalEquivalence() throws {
        #expect(JSON.string("e\u{301}") != JSON.string("\u{E9}"))
        #expect(try JSON.parse("{\"e\u{301}\":1}")["\u{E9}"] == nil)
    }

    @Test("what is written is read back, whatever the text holds")
    func roundTrip() throws {
        let all = String(String.UnicodeScalarView((0...0x2FFF).compactMap { Unicode.Scalar($0 as UInt32) })) + "🦁"
        let json: JSON = ["text": .string(all), "list": [1, true, .null, [], [:]], "nested": ["a": ["b": "c"]]]

        #expect(try JSON.parse(json.bytes) == json)
    }

    @Test("a writer puts the commas and takes finished JSON in as it is")
    func writer() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", "x")
            writer.member("raw", raw: "{\"a\": 1.10}".utf8)
            writer.key("list")
            writer.array { writer in
                writer.value(1)
                writer.object { _ in }
                writer.value([])
            }
            writer.member("time", JSON(Timestamp.zero))
            writer.member("none", JSON(nil as String?))
        }

        let text = #"{"id":"x","raw":{"a": 1.10},"list":[1,{},[]],"time":"1970-01-01T00:00:00.000000Z","none":null}"#
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    }
}

@Suite("JSON: the scan")
struct JSONScanTests {
    private let scan = JSONScan([
        ["id"], ["data", "object", "customer"], ["data", "object", "customer", "id"], ["data"],
    ])

    @Test("finds the values of its paths, and their bytes")
    func finds() throws {
        let body = Array(#"{"x":[{"id":"no"}],"id" : "e\u0076t","data":{"object":{"customer":{"id":"cus_1"}}}}"#.utf8)

        let found = try scan.read(body)

        #expect(found.text(0) == "evt")
        #expect(found.content(0).map { String(decoding: $0, as: UTF8.self) } == #"e\u0076t"#)
        #expect(found.text(1) == nil)
        #expect(found[1]?.kind == .object)
        #expect(found.text(2) == "cus_1")
        #expect(
            found[3].map { String(decoding: body[$0.range], as: UTF8.self) }
                == #"{"object":{"customer":{"id":"cus_1"}}}"#)
    }

    @Test(
        "a later duplicate hides all that an earlier one held",
        arguments: [
            #"{"data":{"object":{"customer":"a"}},"data":{}}"#, #"{"data":{"object":{"customer":"a"},"object":null}}"#,
            #"{"data":{"object":{"customer":"a"}},"d\u0061ta":7}"#,
        ])
    func duplicates(document: String) throws {
        #expect(try scan.read(Array(document.utf8)).text(1) == nil)
        #expect(try JSON.parse(document)["data", "object", "customer"] == nil)
    }

    @Test("a document that is no object holds nothing", arguments: ["[]", "1", "\"id\"", "null"])
    func noObject(document: String) throws {
        let found = try scan.read(Array(document.utf8))
        #expect((0..<4).allSatisfy { found[$0] == nil })
    }
}
