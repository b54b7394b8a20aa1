import DashboardFiles
import Kit

/// The words of the pages in one language, by what they mean.
///
///     words("account.title")
///     words("live.again", ["n": "3"])
///     words.count("list.shown", 12)
struct Words: Sendable {
    enum Language: String, Sendable, CaseIterable {
        case english = "en"
        case korean = "ko"
    }

    let language: Language
    private let texts: [String: String]

    private static let english = Words(.english, DashboardFiles.words["en"] ?? [])
    private static let korean = Words(.korean, DashboardFiles.words["ko"] ?? [])
    static func of(_ language: Language) -> Words { language == .korean ? korean : english }

    /// Reads `key = text` lines; `#` begins a comment.
    init(_ language: Language, _ file: [UInt8]) {
        self.language = language
        var texts: [String: String] = [:]
        for line in String(decoding: file, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "=", maxSplits: 1).map { $0.drop { $0 == " " } }
            guard parts.count == 2, let key = parts[0].split(separator: " ").first else { continue }
            texts[String(key)] = String(parts[1])
        }
        self.texts = texts
    }

    /// Every key, for the tests that hold the languages to each other.
    var keys: Set<String> { Set(texts.keys) }

    /// The text of a key; nil where there is none.
    func text(_ key: String) -> String? { texts[key] }

    /// The text of a key with its gaps filled. A key without text shows itself; a test finds it before a reader does.
    func callAsFunction(_ key: String, _ values: [String: String] = [:]) -> String {
        var text = texts[key] ?? key
        for (name, value) in values { text = text.replacing("{\(name)}", with: value) }
        return text
    }

    /// `key.one` or `key.other`, with `{n}` in figures and `{N}` in words, as a sentence begins.
    ///
    /// - Parameter most: what was counted to; more is `99+`.
    func count(_ key: String, _ count: Int, upTo most: Int = .max, _ values: [String: String] = [:]) -> String {
        let form = language == .english && count == 1 ? "one" : "other"
        let figures = number(count, upTo: most)
        let word = count > most ? figures : spelled(count)
        return self("\(key).\(form)", values.merging(["n": figures, "N": word]) { $1 })
    }

    /// `99+` of what was counted to 99 and is more.
    func number(_ value: Int, upTo most: Int) -> String { value > most ? number(most) + "+" : number(value) }

    /// `12,408`.
    func number(_ value: some BinaryInteger) -> String {
        var digits: [Character] = []
        for (index, digit) in String(value.magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { digits.append(",") }
            digits.append(digit)
        }
        return (value < 0 ? "−" : "") + String(digits.reversed())
    }

    /// Words to nine, figures from ten; Korean has figures only.
    private func spelled(_ value: Int) -> String {
        let words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"]
        return language == .english && words.indices.contains(value) ? words[value] : number(value)
    }

    /// `12 s`, `5 min`, `3 h 9 min`, `2 days`.
    func age(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        switch seconds {
        case ..<60: return self("age.s", ["n": number(seconds)])
        case ..<3600: return self("age.min", ["n": number(seconds / 60)])
        case ..<86_400:
            let minutes = seconds / 60 % 60
            let hours = ["h": number(seconds / 3600), "n": number(seconds / 3600), "m": number(minutes)]
            return self(minutes == 0 ? "age.h" : "age.h_min", hours)
        default: return count("age.days", Int(seconds / 86_400))
        }
    }

    /// `41 ms`, `0.9 s`, `38 s`.
    func took(_ duration: Duration) -> String {
        let milliseconds = duration.microseconds / 1000
        let unit = language == .korean ? "" : " "
        if milliseconds < 1000 { return "\(max(0, milliseconds))\(unit)ms" }
        if milliseconds < 60_000 {
            let tenths = milliseconds / 100
            return "\(tenths / 10).\(tenths % 10)\(unit)\(language == .korean ? "초" : "s")"
        }
        return age(duration)
    }
}
