import Kit
import Testing

@Suite("Moments")
struct TimestampTests {
    @Test(
        "seconds and days are rounded down, to both ends of time",
        arguments: [
            (0, 0, 0), (1, 0, 0), (-1, -1, -1), (-1_000_000, -1, -1), (-1_000_001, -2, -1), (86_400_000_000, 86_400, 1),
            (Int64.max, 9_223_372_036_854, 106_751_991), (Int64.min, -9_223_372_036_855, -106_751_992),
        ] as [(Int64, Int64, Int64)])
    func roundedDown(microseconds: Int64, seconds: Int64, day: Int64) {
        let moment = Timestamp(microseconds: microseconds)
        #expect(moment.seconds == seconds)
        #expect(moment.day == day)
        #expect(!moment.rfc3339.isEmpty)
    }

    @Test(
        "what its zone moves out of the years that can be written is not read; all else reads its own text",
        arguments: [
            ("9999-12-31T23:59:59-12:00", nil), ("0000-01-01T00:00:00+00:01", nil), ("9999-12-31T23:59:60Z", nil),
            ("9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59.000000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
        ] as [(String, String?)])
    func ends(text: String, expected: String?) {
        #expect(Timestamp(rfc3339: text)?.rfc3339 == expected)
    }
}
