/// A file of `NAME=value` lines, as `patchbay.env.example` shows it and as systemd and Docker read it.
///
/// A `#` begins a comment at the start of a line. A value may stand in single quotes, as it is, or in double quotes,
/// where `\"`, `\\` and `\n` are read.
enum ConfigFile {
    static func parse(_ text: String, path: String) throws(BadSetting) -> [String: String] {
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.drop { $0.isWhitespace }
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            let place = "\(path), line \(index + 1)"
            guard let (name, value) = assignment(line.hasPrefix("export ") ? line.dropFirst(7) : line) else {
                throw BadSetting(place, "is not NAME=value.", example: "PATCHBAY_MODE=test")
            }
            guard values[name] == nil else {
                throw BadSetting(place, "\(name) is set a second time.", example: "keep one of the two lines")
            }
            values[name] = value
        }
        return values
    }

    private static func assignment(_ line: Substring) -> (name: String, value: String)? {
        guard let equals = line.firstIndex(of: "=") else { return nil }
        let name = line[..<equals]
        guard name.first?.isNumber == false,
            name.utf8.allSatisfy({ (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F })
        else { return nil }
        guard let value = unquoted(line[line.index(after: equals)...]) else { return nil }
        return (String(name), value)
    }

    private static func unquoted(_ text: Substring) -> String? {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        guard let quote = text.first, quote == "\"" || quote == "'" else { return String(text) }
        guard text.count >= 2, text.last == quote else { return nil }
        let inner = text.dropFirst().dropLast()
        return quote == "'" ? (inner.contains("'") ? nil : String(inner)) : unescaped(inner)
    }

    private static func unescaped(_ text: Substring) -> String? {
        var result = ""
        var isEscaped = false
        for character in text {
            switch (isEscaped, character) {
            case (false, "\\"): isEscaped = true
            case (false, "\""): return nil
            case (false, _): result.append(character)
            case (true, "n"): (result, isEscaped) = (result + "\n", false)
            case (true, "\""), (true, "\\"): (result, isEscaped) = (result + String(character), false)
            case (true, _): (result, isEscaped) = (result + "\\" + String(character), false)
            }
        }
        return isEscaped ? nil : result
    }
}
