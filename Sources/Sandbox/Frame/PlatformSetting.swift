import Kit

/// Something of a simulated platform that can be set while it runs: described once, checked by its description.
struct PlatformSetting: Sendable {
    enum Kind: Sendable {
        case flag
        case whole(ClosedRange<Int64>)
        case choice([String])
        case text
        /// A list of texts.
        case texts
    }

    let name: String
    let kind: Kind
    /// Until it is set; null may be said again only where this is null.
    let usual: JSON
    let what: String
    /// Why a text cannot be taken; nil where it can.
    var problem: @Sendable (String) -> String? = { _ in nil }

    /// More texts than anyone lists.
    private static let textsMax = 100
    /// In bytes: no address is longer.
    private static let textMax = 2048

    /// - Throws: `BadControl` that says what is wanted.
    func check(_ value: JSON) throws(BadControl) {
        if value.isNull { return }
        switch kind {
        case .flag:
            guard value.boolean != nil else { throw BadControl("\(name): must be true or false.") }
        case .whole(let range):
            guard let number = value.integer, range.contains(number) else {
                throw BadControl("\(name): must be a whole number from \(range.lowerBound) to \(range.upperBound).")
            }
        case .choice(let words):
            guard let text = value.text, words.contains(text) else {
                throw BadControl("\(name): must be one of \(words.joined(separator: ", ")).")
            }
        case .text:
            try checkText(value)
        case .texts:
            guard let list = value.elements, list.count <= Self.textsMax else {
                throw BadControl("\(name): must be a list of at most \(Self.textsMax) texts.")
            }
            for text in list { try checkText(text) }
        }
    }

    private func checkText(_ value: JSON) throws(BadControl) {
        guard let text = value.text, !text.isEmpty, text.utf8.count <= Self.textMax else {
            throw BadControl("\(name): must be a text.")
        }
        if let problem = problem(text) { throw BadControl("\(name): \(problem)") }
    }

    /// For a person who looks.
    func described(as value: JSON) -> JSON {
        var json: JSON = ["name": .string(name), "what": .string(what), "value": value, "usual": usual]
        if case .choice(let words) = kind { json.set("choices", .array(words.map { .string($0) })) }
        return json
    }
}

extension World {
    private static let settingsKind = "frame.settings"

    /// What a setting says now.
    func setting(_ setting: PlatformSetting, of platform: String) -> JSON {
        object(Self.settingsKind, platform)?.present(setting.name) ?? setting.usual
    }

    /// Sets those that are named; null makes one usual again.
    /// - Throws: `BadControl` that names the first that cannot be; nothing is set then.
    func set(_ json: JSON, of platform: any Platform) throws(BadControl) {
        guard let members = json.members else { throw BadControl("An object of settings is wanted.") }
        var kept = object(Self.settingsKind, platform.id) ?? .object([])
        for member in members {
            guard let setting = platform.settings.first(where: { $0.name == member.name }) else {
                let known = platform.settings.map(\.name).joined(separator: ", ")
                throw BadControl("\(member.name): there is no such setting. Known: \(known.isEmpty ? "none" : known).")
            }
            try setting.check(member.value)
            kept.set(setting.name, member.value)
        }
        put(Self.settingsKind, platform.id, kept)
    }

    func settings(of platform: any Platform) -> JSON {
        .object(platform.settings.map { JSONMember($0.name, setting($0, of: platform.id)) })
    }
}
