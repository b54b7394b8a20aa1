import FoundationEssentials
import Kit

/// One source of settings as it stands: names may end in `_FILE` or `_COMMAND`.
struct SettingsLayer {
    let name: String
    let values: [String: String]

    init(name: String, values: [String: String]) {
        self.name = name
        self.values = values
    }

    /// - Throws: for a name of ours that is not declared.
    init(environment: [String: String]) throws(BadSetting) {
        for name in environment.keys.sorted() where name.hasPrefix("PATCHBAY_") && !Setting.isForeign(name) {
            try Self.checkKnown(name)
        }
        self.init(name: "environment", values: environment)
    }

    /// - Throws: for a line that is none, and for any name that is not declared: the file is ours.
    init(file path: String) throws(BadSetting) {
        let bytes = try Self.contents(of: path, for: "--config")
        let values = try ConfigFile.parse(String(decoding: bytes, as: UTF8.self), path: path)
        for name in values.keys.sorted() where !Setting.isForeign(name) { try Self.checkKnown(name) }
        self.init(name: path, values: values)
    }

    /// Each declared setting's value, with `_FILE` and `_COMMAND` looked up, but for names found elsewhere.
    func resolved(but found: Set<String>) throws(BadSetting) -> [String: String] {
        var resolved: [String: String] = [:]
        for setting in Setting.all where !found.contains(setting.name) {
            if let value = try value(of: setting) { resolved[setting.name] = value }
        }
        return resolved
    }

    private func value(of setting: Setting) throws(BadSetting) -> String? {
        let name = setting.name
        let given = ["", "_FILE", "_COMMAND"].filter { values[name + $0] != nil }
        guard given.count <= 1 else {
            let names = given.map { name + $0 }.joined(separator: " and ")
            throw BadSetting(name, "\(names) are both set in the \(self.name). Keep one.")
        }
        if let value = values[name] { return Self.trimmed(value) }
        if let path = values[name + "_FILE"] {
            return Self.trimmed(String(decoding: try Self.contents(of: path, for: name + "_FILE"), as: UTF8.self))
        }
        guard let command = values[name + "_COMMAND"] else { return nil }
        do {
            return Self.trimmed(String(decoding: try ShellCommand(command).output(within: 10), as: UTF8.self))
        } catch {
            let example = "\(name)_COMMAND=cat /run/secrets/\(name.lowercased())"
            throw BadSetting(name + "_COMMAND", error.reason, example: example)
        }
    }

    private static func checkKnown(_ name: String) throws(BadSetting) {
        let base = ["_FILE", "_COMMAND"].first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) } ?? name
        guard Setting.named(name) == nil, Setting.named(base) == nil else { return }
        let nearest = Setting.nearest(to: base)
        throw BadSetting(
            name, "is not a setting." + (nearest.map { " Did you mean \($0)?" } ?? " patchbay.env.example names all."),
            example: nearest.flatMap { Setting.named($0) }.map { "\($0.name)=\($0.example)" } ?? "PATCHBAY_MODE=test")
    }

    /// Larger files are not settings.
    private static let bytesMax = 256 << 10

    private static func contents(of path: String, for name: String) throws(BadSetting) -> [UInt8] {
        let example = name == "--config" ? "--config patchbay.env" : "\(name)=/run/secrets/\(name.lowercased())"
        guard let data = FileManager.default.contents(atPath: path) else {
            throw BadSetting(name, "\(path) cannot be read.", example: example)
        }
        guard data.count <= bytesMax else {
            throw BadSetting(name, "\(path) is larger than \(bytesMax / 1024) KiB.", example: example)
        }
        return Array(data)
    }

    /// Blanks and line ends around a value do not count.
    private static func trimmed(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let isBlank: (UInt8) -> Bool = { [0x20, 0x09, 0x0D, 0x0A].contains($0) }
        let rest = bytes.drop(while: isBlank)
        let end = rest.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? rest.startIndex
        return String(decoding: rest[..<end], as: UTF8.self)
    }
}
