import DashboardFiles
import Mustache

/// The pages' templates, read once, with the words of each language in their places.
///
/// `[[key]]` in a template stands for words. A blank at the start of a line is not sent.
struct Templates: Sendable {
    static let shared = Templates(DashboardFiles.templates)

    private let libraries: [Words.Language: MustacheLibrary]
    /// Keys that a template names and a language lacks: none, as a test sees.
    let missingWords: Set<String>

    /// - Precondition: each template can be read; they are ours, and a test reads them all.
    init(_ files: [String: [UInt8]]) {
        var missing = Set<String>()
        var libraries: [Words.Language: MustacheLibrary] = [:]
        for language in Words.Language.allCases {
            var library = MustacheLibrary()
            for (name, bytes) in files {
                let text = Self.filled(Self.trimmed(bytes), Words.of(language), missing: &missing)
                do { try library.register(text, named: name) } catch {
                    preconditionFailure("The template \(name) cannot be read: \(error)")
                }
            }
            libraries[language] = library
        }
        self.libraries = libraries
        missingWords = missing
    }

    /// A template with a model, as HTML.
    func render(_ name: String, _ model: any Sendable, in language: Words.Language) -> String {
        libraries[language]?.render(model, withTemplate: name) ?? ""
    }

    private static func trimmed(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.drop { $0 == " " } }.joined(separator: "\n")
    }

    private static func filled(_ text: String, _ words: Words, missing: inout Set<String>) -> String {
        var parts = text.split(separator: "[[", omittingEmptySubsequences: false)
        var result = String(parts.isEmpty ? "" : parts.removeFirst())
        for part in parts {
            let pair = part.split(separator: "]]", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(pair[0])
            if let word = words.text(key) { result += HTML.escaped(word) } else { missing.insert(key) }
            if pair.count > 1 { result += pair[1] }
        }
        return result
    }
}

/// What HTML needs of text.
enum HTML {
    static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes += "&amp;".utf8
            case UInt8(ascii: "<"): bytes += "&lt;".utf8
            case UInt8(ascii: ">"): bytes += "&gt;".utf8
            case UInt8(ascii: "\""): bytes += "&quot;".utf8
            case UInt8(ascii: "'"): bytes += "&#39;".utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
