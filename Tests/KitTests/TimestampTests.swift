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
}
