/// The headings under which the house is looked after.
enum SystemTab: String, CaseIterable {
    case health, alerts, nodes, keys, apps, operators, audit, radar, storage, settings

    var path: String { self == .health ? "/system" : "/system/\(rawValue)" }

    static func tabs(_ here: SystemTab, _ words: Words) -> [Tab] {
        allCases.map { Tab(label: words("system.tab.\($0.rawValue)"), href: $0.path, isHere: $0 == here) }
    }

    static func head(_ here: SystemTab, _ words: Words, lede: String? = nil) -> Head {
        var head = Head(words("system.title.\(here.rawValue)"))
        head.lede = lede
        return head
    }
}
