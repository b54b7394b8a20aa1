import Kit
import Testing

@Suite("What a content must say")
struct ContentConditionTests {
    private static let json = #"""
        {"id":"in_1","note":"Two \"Loaves\" of Br\u00f6tchen\nand a \ud83c\udf5e",
        "lines":[{"price":"p_1"},{"price":"p_2"}],"total":1.10}
        """#

    private func excerpt(words: String? = nil, place: String? = nil, in text: String = json) -> String? {
        let place = place.flatMap { ContentCondition.Place($0) }
        return ContentCondition(words: words, place: place)?.excerpt(of: Array(text.utf8))
    }

    @Test(
        "words stand anywhere, in names and values, whatever their capitals and however they are escaped",
        arguments: [
            "in_1", "LOAVES two", "brötchen", "BRÖTCHEN", "🍞", "price", #""and a""#, "1.10",
        ])
    func words(words: String) { #expect(excerpt(words: words) != nil) }

    @Test("each word must be there", arguments: ["loaves rye", #""loaves two""#, "inx1"])
    func missing(words: String) { #expect(excerpt(words: words) == nil) }

    @Test("a form is read as it was typed")
    func form() {
        let form = "From=%2B15550100&Body=Two+loaves%2C+please"
        #expect(excerpt(words: #""two loaves,""#, in: form) == "From=+15550100&Body=Two loaves, please")
        #expect(excerpt(words: "+15550100", in: form) != nil)
        #expect(excerpt(place: "$.Body", in: form) == nil)
    }

    @Test(
        "a place holds a text, a number as written, or anything; one element of a list is enough",
        arguments: [
            ("$.id=in_1", true), ("$.id=IN_1", false), ("$.lines[*].price=p_2", true), ("$.lines[*].price=p_3", false),
            ("$.lines[0].price=p_2", false), ("$.total=1.10", true), ("$.total=1.1", false), ("$.total", true),
            ("$.subtotal", false), ("$.lines[*].price", true),
        ] as [(String, Bool)])
    func place(text: String, holds: Bool) { #expect((excerpt(place: text) != nil) == holds) }

    @Test("words and a place must both be so")
    func both() {
        #expect(excerpt(words: "loaves", place: "$.id=in_1") != nil)
        #expect(excerpt(words: "rye", place: "$.id=in_1") == nil)
        #expect(excerpt(words: "loaves", place: "$.id=in_2") == nil)
    }

    @Test("the excerpt shows the word with what stands around it, cut between characters, on one line")
    func shown() throws {
        let long = String(repeating: "é", count: 500) + " rye\nbread " + String(repeating: "ü", count: 500)
        let shown = try #require(excerpt(words: "RYE", in: long))
        #expect(shown.contains(" rye bread "))
        #expect(shown.utf8.count < 140)
        #expect(!shown.contains("\u{FFFD}"))
        #expect(excerpt(place: "$.lines[*].price=p_2") == #"$.lines[*].price = "p_2""#)
    }

    @Test("what says nothing, or is no place, is no condition")
    func nothing() {
        #expect(ContentCondition(words: nil, place: nil) == nil)
        #expect(ContentCondition(words: #" "" "#, place: nil) == nil)
        for text in ["", "$", "$.a=", "a=b", "=b", "$..a"] { #expect(ContentCondition.Place(text) == nil) }
    }

    @Test("bytes of every kind are looked through without harm")
    func hostile() {
        let condition = ContentCondition(words: "é a", place: nil)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let tail = (0..<Int.random(in: 0...40)).map { _ in
                [UInt8]("{\\ud8u0é%a\"".utf8).randomElement(using: &generator) ?? 0
            }
            _ = condition?.excerpt(of: Array("{".utf8) + tail)
            _ = condition?.excerpt(of: tail)
        }
        #expect(ContentCondition(words: "a", place: nil)?.excerpt(of: Array(#"{"x":"\ud83c a \udf5e"}"#.utf8)) != nil)
    }
}
