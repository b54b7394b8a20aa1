import Kit
import Testing

@Suite("Text from outside")
struct OutsideTextTests {
    @Test(
        "what a column cannot hold becomes an escape",
        arguments: [
            ("plain", "plain"), ("é🦁", "é🦁"), ("a\u{0}b", #"a\u0000b"#), ("", ""), ("\u{1}\n", "\u{1}\n"),
        ])
    func escapes(text: String, fit: String) { #expect(OutsideText.bounded(text) == fit) }

    @Test(
        "bytes that are not UTF-8 become escapes, one by one",
        arguments: [
            ([0x61, 0xFF, 0x62], #"a\xffb"#), ([0xED, 0xA0, 0x80], #"\xed\xa0\x80"#), ([0xC3], #"\xc3"#),
            ([0xC3, 0xA9, 0xC3], #"é\xc3"#),
            ([0x00], #"\u0000"#), ([0xF0, 0x9F, 0xA6, 0x81], "🦁"),
        ] as [([UInt8], String)])
    func bytes(bytes: [UInt8], fit: String) { #expect(OutsideText.bounded(bytes) == fit) }

    @Test("is cut between characters, never within one, and escapes whole")
    func bounds() {
        #expect(OutsideText.bounded(String(repeating: "é", count: 200)).utf8.count == 256)
        #expect(OutsideText.bounded("aé", 2) == "a")
        #expect(OutsideText.bounded("ab\u{0}c", 7) == "ab")
        #expect(OutsideText.bounded("ab🦁", 5) == "ab")
        #expect(OutsideText.bounded(String(repeating: "\u{0}", count: 1000)).utf8.count == 252)
        #expect(OutsideText.bounded([UInt8](repeating: 0xFF, count: 1_000_000)).utf8.count == 256)
    }

    @Test("what is fit stays as it is")
    func idempotent() {
        let once = OutsideText.bounded([0x61, 0x00, 0xFF, 0xC3, 0xA9])
        #expect(OutsideText.bounded(once) == once)
    }
}
