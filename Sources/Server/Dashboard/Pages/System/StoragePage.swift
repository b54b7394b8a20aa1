import Kit
import Store

/// What is kept, where, for how long, and when the disk is full.
enum StoragePage {
    struct Model: Sendable {
        struct Kept: Sendable {
            let what: String
            let life: String
            let setting: String
            let isUsual: Bool
        }
        let tabs: [Tab]
        let facts: [Fact]
        let findings: [HealthPage.Model.Row]
        let kept: [Kept]
    }

    static let page = Page(path: "/system/storage", entry: .system, template: "storage") { request in
        let (words, settings) = (request.words, request.app.settings)
        let health = try await request.app.database.health()
        let found = await request.app.checkup.findings().findings.filter {
            ["events.size", "disk.room", "disk.kind", "disk.sync", "keys"].contains($0.name)
        }
        let name = health.engine == .sqlite ? "SQLite" : "PostgreSQL"
        return PageContent(
            SystemTab.head(.storage, words),
            Model(
                tabs: SystemTab.tabs(.storage, words),
                facts: [
                    Fact(words("storage.database"), "\(name) \(health.version)"),
                    Fact(words("storage.place"), health.place, isCode: true),
                    Fact(words("storage.size"), Amount.bytes(Double(health.bytes))),
                    Fact(words("storage.log"), Amount.bytes(Double(health.walBytes))),
                    Fact(words("storage.policy"), health.durability, isCode: true),
                ], findings: found.map { HealthPage.row($0, words) },
                kept: Retention.Kind.allCases.map { kind in
                    let life = settings.retention[kind]
                    return Model.Kept(
                        what: words("storage.kept.\(kind.rawValue)"), life: words.age(life), setting: kind.settingName,
                        isUsual: life == Retention.usual[kind])
                }),
            commands: [Command("CLI", "patchbay doctor")])
    }
}

/// Every setting by name: what counts, and where it comes from. A secret is never shown.
enum SettingsPage {
    struct Model: Sendable {
        struct Group: Sendable {
            let title: String
            let rows: [Row]
        }
        struct Row: Sendable {
            let name: String
            let what: String
            let value: String
            let source: String
            let isSet: Bool
            let standing: String?
        }
        let tabs: [Tab]
        let groups: [Group]
    }

    /// What stands in a secret's place.
    static let secret = "‹secret›"

    static let page = Page(path: "/system/settings", entry: .system, template: "settings") { request in
        let (words, given) = (request.words, request.app.settings.given)
        let groups = Setting.table.map { group in
            Model.Group(title: group.title, rows: group.settings.map { row($0, given[$0.name], words) })
        }
        return PageContent(
            SystemTab.head(.settings, words, lede: words("settings.lede")),
            Model(tabs: SystemTab.tabs(.settings, words), groups: groups),
            commands: [Command("CLI", "patchbay doctor")])
    }

    private static func row(_ setting: Setting, _ given: GivenSetting?, _ words: Words) -> Model.Row {
        let value =
            given.map { $0.value.map { OutsideText.bounded($0, 300) } ?? secret } ?? setting.usual
            ?? words("settings.unset")
        let standing: String? =
            switch setting.standing {
            case .used: nil
            case .checked: words("settings.checked")
            case .known: words("settings.known")
            case .handed: words("settings.handed")
            }
        return Model.Row(
            name: setting.name, what: setting.what, value: value,
            source: given?.source ?? words(setting.usual == nil ? "settings.nowhere" : "settings.usual"),
            isSet: given != nil, standing: standing)
    }
}
