import Kit

/// Money as people write it, from a currency's smallest unit: exact, without a number with a fraction in between.
enum MoneyText {
    /// Currencies whose smallest unit is the unit itself, and those with three places (ISO 4217).
    private static let whole: Set<String> = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
    ]
    private static let thousandths: Set<String> = ["bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"]

    /// `49.00 EUR`. The currency may be text from outside.
    static func of(_ minor: Int64, _ currency: String, _ words: Words = Words.of(.english)) -> String {
        let code = currency.lowercased()
        let places = whole.contains(code) ? 0 : thousandths.contains(code) ? 3 : 2
        var digits = String(minor.magnitude)
        while digits.count <= places { digits = "0" + digits }
        let units = words.number(UInt64(digits.dropLast(places)) ?? 0)
        let rest = places == 0 ? "" : "." + digits.suffix(places)
        return (minor < 0 ? "−" : "") + units + rest + " " + OutsideText.bounded(currency.uppercased(), 16)
    }
}
