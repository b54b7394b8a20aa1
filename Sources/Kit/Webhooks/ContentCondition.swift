/// What an event's content must say: words, what stands at a place, or both.
///
///     ContentCondition(words: "sourdough \"two loaves\"", place: "$.data.object.lines[*].price.id=price_1")
public struct ContentCondition: Sendable, Equatable {
    /// A place, and what it must hold: a string's characters, or a number, `true`, `false` or `null` as written. Nil:
    /// whatever, as long as there is such a place.
    public struct Place: Sendable, Equatable {
        public let path: JSONPath
        public let value: String?

        /// `$.data.object.id=in_1`, or `$.data.object.dispute` alone. Nil for what is not written so.
        public init?(_ text: String) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let path = parts.first.flatMap({ JSONPath($0) }), parts.last != "" else { return nil }
            self.path = path
            value = parts.count == 2 ? parts[1] : nil
        }

        public var text: String { path.text + (value.map { "=" + $0 } ?? "") }

        fileprivate func holds(_ found: JSON) -> Bool {
            guard let value else { return true }
            return found.text.map { $0.hasSameBytes(as: value) } ?? found.bytes.elementsEqual(value.utf8)
        }
    }

    /// More is no search but a document.
    public static let wordsMax = 10

    /// Each must stand in it somewhere, in a name or a value, whatever its capitals.
    public let words: [String]
    public let place: Place?
    /// The words in small letters.
    private let wanted: [[UInt8]]
    private let areASCII: Bool

    /// Nil where neither says anything.
    ///
    /// - Parameter words: with blanks between; what stands in double quotes is one, blanks and all. The first
    ///   `wordsMax` count.
    public init?(words: String?, place: Place?) {
        let words = Array(QuotedWords.split(words ?? "").prefix(Self.wordsMax))
        guard !words.isEmpty || place != nil else { return nil }
        self.words = words
        self.place = place
        wanted = words.map { Array($0.lowercased().utf8) }
        areASCII = words.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } }
    }

    public static func == (left: Self, right: Self) -> Bool { left.words == right.words && left.place == right.place }

    /// The part of the content that says it, for a person to see: the first word with what stands around it, or the
    /// place with its value. Nil where the content does not say all that it must.
    ///
    /// - Parameter bytes: JSON, a form, or any other text. A place exists in JSON only.
    public func excerpt(of bytes: [UInt8]) -> String? {
        var excerpt: String?
        if !words.isEmpty {
            guard let found = excerptOfWords(in: ContentText.readable(bytes)) else { return nil }
            excerpt = found
        }
        guard let place else { return excerpt }
        guard let json = try? JSON.parse(bytes), let found = place.path.values(in: json).first(where: place.holds)
        else { return nil }  // What is no JSON has no places.
        return excerpt ?? "\(place.path.text) = \(OutsideText.bounded(found.bytes, Self.around * 2))"
    }

    private static let around = 60

    private func excerptOfWords(in text: [UInt8]) -> String? {
        let small =
            areASCII ? text.map(\.asciiLowercased) : Array(String(decoding: text, as: UTF8.self).lowercased().utf8)
        let places = wanted.map { ContentText.firstPlace(of: $0, in: small) }
        guard let first = places.first ?? nil, !places.contains(nil), let length = wanted.first?.count else {
            return nil
        }
        // Small letters of a few languages take more bytes than their capitals: then nothing but the word is certain.
        let shown = small.count == text.count ? text : small
        let part = shown[max(0, first - Self.around)..<min(shown.count, first + length + Self.around)]
        return ContentText.line(part)
    }
}

/// Words of a field in which people type: blanks part them, but not within double quotes.
public enum QuotedWords {
    public static func split(_ text: String) -> [String] {
        var (words, word, isQuoted) = ([String](), "", false)
        for character in text {
            if character == "\"" {
                isQuoted.toggle()
            } else if character.isWhitespace, !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        return word.isEmpty ? words : words + [word]
    }

    /// As `split` reads it back.
    public static func quoted(_ word: String) -> String {
        word.contains(where: \.isWhitespace) ? "\"\(word)\"" : word
    }
}

/// Contents as a person reads them.
enum ContentText {
    /// Without the escapes of JSON, or those of a form.
    static func readable(_ bytes: [UInt8]) -> [UInt8] {
        let first = bytes.first { $0 > UInt8(ascii: " ") }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return FormFields.decoded(bytes) }
        return bytes.contains(UInt8(ascii: "\\")) ? unescaped(bytes) : bytes
    }

    private static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
        var (text, rest) = ([UInt8](), bytes[...])
        text.reserveCapacity(bytes.count)
        var high: UInt32?
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let mark = rest.popFirst() else {
                text.append(byte)
                continue
            }
            guard mark == UInt8(ascii: "u"), let unit = unit(rest.prefix(4)) else {
                text.append("bfnrt".utf8.contains(mark) ? UInt8(ascii: " ") : mark)
                continue
            }
            rest = rest.dropFirst(4)
            switch unit {
            case 0xD800..<0xDC00: high = unit
            case 0xDC00..<0xE000:
                if let upper = high { text += scalar(0x10000 + (upper - 0xD800) << 10 + (unit - 0xDC00)) }
                high = nil
            default: text += scalar(unit)
            }
        }
        return text
    }

    private static func unit(_ digits: ArraySlice<UInt8>) -> UInt32? {
        guard digits.count == 4 else { return nil }
        var unit: UInt32 = 0
        for digit in digits {
            guard let value = digit.hexDigit else { return nil }
            unit = unit << 4 | UInt32(value)
        }
        return unit
    }

    private static func scalar(_ value: UInt32) -> [UInt8] {
        Array(String(Unicode.Scalar(value).map(Character.init) ?? "\u{FFFD}").utf8)
    }

    /// Where bytes stand in others first.
    static func firstPlace(of word: [UInt8], in text: [UInt8]) -> Int? {
        guard let first = word.first, word.count <= text.count else { return nil }
        return text.withUnsafeBufferPointer { text in
            var place = 0
            while place <= text.count - word.count {
                if text[place] == first, text[place..<place + word.count].elementsEqual(word) { return place }
                place += 1
            }
            return nil
        }
    }

    /// A part of a text as one line, without the half characters at its ends.
    static func line(_ part: ArraySlice<UInt8>) -> String {
        var part = part.drop { $0 & 0xC0 == 0x80 }
        if let start = part.lastIndex(where: { $0 & 0xC0 != 0x80 }),
            String(validating: part[start...], as: UTF8.self) == nil
        {
            part = part[..<start]
        }
        return String(decoding: part.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
    }
}
