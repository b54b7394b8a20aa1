import Glibc
import Kit

/// Moments as a person at this terminal reads them: in the local zone. JSON keeps UTC.
enum LocalTime {
    /// `2026-11-28 14:03:12`.
    static func full(_ moment: Timestamp) -> String { written(moment, "%Y-%m-%d %H:%M:%S") }
    /// `14:03:12`.
    static func clock(_ moment: Timestamp) -> String { written(moment, "%H:%M:%S") }

    private static func written(_ moment: Timestamp, _ form: String) -> String {
        var seconds = time_t(moment.seconds)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return moment.rfc3339 }
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, form, &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension String {
    /// Without control characters, which could play tricks on a terminal, and no longer than `most`.
    func visible(atMost most: Int = 100_000) -> String {
        let plain = String(
            String.UnicodeScalarView(
                unicodeScalars.prefix(most + 1).map {
                    $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "·" : $0
                }))
        return plain.count > most ? plain.prefix(most - 1) + "…" : plain
    }
}
