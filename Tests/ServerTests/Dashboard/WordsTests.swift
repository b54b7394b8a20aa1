import DashboardFiles
import FoundationEssentials
import Kit
import Testing

@testable import Server
@testable import Store

@Suite("Words and templates")
struct WordsTests {
    @Test("every key has a text in every language, with the same gaps")
    func complete() {
        let (english, korean) = (Words.of(.english), Words.of(.korean))
        // Korean needs one form where English has two.
        let expected = english.keys.filter { !$0.hasSuffix(".one") }
        #expect(expected.subtracting(korean.keys).sorted() == [])
        #expect(korean.keys.subtracting(expected).sorted() == [])
        for key in expected {
            #expect(Self.gaps(english(key)) == Self.gaps(korean(key)), "\(key)")
            #expect(!korean(key).isEmpty && !english(key).isEmpty)
        }
    }

    @Test("every alert has a sentence in every language, its gaps filled", arguments: AlertName.allCases)
    func alerts(name: AlertName) {
        for language in Words.Language.allCases {
            let words = Words.of(language)
            let alert = Self.alert(name.rawValue)
            for text in [StoredSentences.summary(alert, words), StoredSentences.action(alert, words)] {
                #expect(!text.isEmpty && !text.contains("{"))
                #expect(language == .english || text.unicodeScalars.contains { (0xAC00...0xD7A3).contains($0.value) })
            }
        }
    }

    @Test("an alert that only a newer program knows speaks for itself")
    func unknownAlert() {
        let alert = Self.alert("odd")
        #expect(StoredSentences.summary(alert, Words.of(.korean)) == alert.summary)
        #expect(StoredSentences.action(alert, Words.of(.korean)) == alert.action)
    }

    private static func alert(_ kind: String) -> AlertRow {
        AlertRow(
            id: ID(stored: "alr_1"), kind: kind, state: "open", subject: "ep_1",
            summary: "https://app.example/hook: 7 are gone.", action: "Do this: patchbay doctor", count: 1,
            openedAt: .zero, lastAt: .zero, silencedUntil: nil, resolvedAt: nil)
    }

    @Test("templates name only words that exist")
    func templates() { #expect(Templates.shared.missingWords == []) }

    @Test("the code names only words that exist")
    func code() throws {
        let keys = Words.of(.english).keys
        for file in try Self.swiftFiles() {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            for match in text.matches(of: /[wW]ords(?:\.text|\.count)?\("([a-z0-9_.]+)"/) {
                let key = String(match.1)
                #expect(
                    keys.contains(key) || keys.contains(key + ".other"), "\(key) in \(file) stands in no words file")
            }
        }
    }

    @Test("every file of the folders is listed")
    func listed() throws {
        let templates = try FileManager.default.contentsOfDirectory(atPath: Self.files + "/Templates")
        #expect(Set(templates) == Set(DashboardFiles.templates.keys.map { $0 + ".mustache" }))
        let words = try FileManager.default.contentsOfDirectory(atPath: Self.files + "/Words")
        #expect(Set(words) == Set(DashboardFiles.words.keys.map { $0 + ".txt" }))
    }

    @Test("stylesheet, script and icons stay within their budgets")
    func budgets() {
        #expect(DashboardFiles.stylesheet.count <= 30_000)
        #expect(DashboardFiles.script.count <= 25_000)
        #expect(DashboardFiles.icons.count <= 6000)
    }

    @Test(
        "ages and numbers are written as the pages write them",
        arguments: [
            (12, "12 s", "12초"), (309, "5 min", "5분"), (11_340, "3 h 9 min", "3시간 9분"), (172_800, "2 days", "2일"),
        ])
    func ages(seconds: Int64, english: String, korean: String) {
        #expect(Words.of(.english).age(.seconds(seconds)) == english)
        #expect(Words.of(.korean).age(.seconds(seconds)) == korean)
        #expect(Words.of(.english).number(12_408) == "12,408")
    }

    static let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
    static let files = root + "/Sources/DashboardFiles"

    private static func gaps(_ text: String) -> Set<String> {
        // `{N}` is `{n}` in words.
        Set(text.matches(of: /\{(\w+)\}/).map { $0.1.lowercased() })
    }
    private static func swiftFiles() throws -> [String] {
        let folder = root + "/Sources/Server/Dashboard"
        return try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".swift") }
            .map { folder + "/" + $0 }
    }
}
