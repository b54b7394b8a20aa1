import Engine
import Kit
import Store

/// What the form for a new post holds, as it was typed.
struct PostDraft: Sendable {
    /// Addresses that one form takes.
    private static let addressesMax = 50

    var to: [ID<ConnectionKind>] = []
    var title = ""
    var text = ""
    var object = ""
    var addresses = ""
    /// By `conn_….privacy_level`.
    var options: [String: String] = [:]
    var isPlanned = false
    /// As the field for day and time holds it, in the reader's zone.
    var at = ""

    init(_ form: [String: String]) {
        to = form.keys.filter { $0.hasPrefix("to.") }.sorted().compactMap {
            ID<ConnectionKind>(String($0.dropFirst(3)))
        }
        (title, text) = (form["title"] ?? "", (form["text"] ?? "").replacing("\r\n", with: "\n"))
        (object, addresses) = (form["object_id"] ?? "", form["urls"] ?? "")
        for (name, value) in form where name.hasPrefix("o.") { options[String(name.dropFirst(2))] = value }
        (isPlanned, at) = (form["when"] == "at", form["at"] ?? "")
    }

    /// From an address: `?to=conn_…&object=obj_…&at=2026-12-01T09:00`.
    init(query: [String: String]) {
        to = [query["to"].flatMap { ID<ConnectionKind>($0) }].compactMap { $0 }
        object = query["object"].flatMap { ID<ObjectKind>($0)?.text } ?? ""
        text = OutsideText.bounded(query["text"] ?? "", 4000)
        at = query["at"].map { String($0.prefix(16)) } ?? ""
        isPlanned = !at.isEmpty
    }

    /// As the form has it, to be kept; read back by `init(_:)`.
    var form: JSON {
        var fields: [(String, String)] = [
            ("title", title), ("text", text), ("object_id", object), ("urls", addresses), ("at", at),
            ("when", isPlanned ? "at" : "now"),
        ]
        fields += to.map { ("to.\($0)", "1") } + options.sorted { $0.key < $1.key }.map { ("o.\($0.key)", $0.value) }
        return .object(fields.filter { !$0.1.isEmpty }.map { JSONMember($0.0, .string($0.1)) })
    }

    /// A draft as it was kept.
    init(kept: JSON) {
        let fields = (kept.members ?? []).compactMap { member in member.value.text.map { (member.name, $0) } }
        self.init(Dictionary(fields, uniquingKeysWith: { first, _ in first }))
    }

    /// Whether somebody has begun.
    var isBegun: Bool { !(title + text + object + addresses).allSatisfy(\.isWhitespace) }

    /// What the API is asked.
    ///
    /// - Parameters:
    ///   - known: the connections that were chosen, by id, with what their platforms take.
    ///   - moment: nil for at once.
    func body(_ known: [String: any Publisher], at moment: Timestamp?) -> JSON {
        var content: [JSONMember] = []
        if !title.isEmpty { content.append(JSONMember("title", .string(title))) }
        if !text.isEmpty { content.append(JSONMember("text", .string(text))) }
        let urls = addresses.split(whereSeparator: \.isWhitespace).prefix(Self.addressesMax)
        let files: [JSON] = object.isEmpty ? [] : [["object_id": .string(object)]]
        var members = [
            JSONMember("targets", .array(to.map { target($0, known[$0.text]) })),
            JSONMember("content", .object(content)),
            JSONMember("media", .array(files + urls.map { ["url": .string(String($0))] })),
        ]
        if let moment { members.append(JSONMember("publish_at", JSON(moment))) }
        return .object(members)
    }

    private func target(_ id: ID<ConnectionKind>, _ publisher: (any Publisher)?) -> JSON {
        let given = (publisher?.postOptions ?? []).compactMap { option -> JSONMember? in
            guard let typed = options["\(id).\(option.name)"], !typed.isEmpty else { return nil }
            return option.value(typed).map { JSONMember(option.name, $0) }
        }
        return ["connection_id": JSON(id), "options": .object(given)]
    }

    /// The options alone, for a platform's rules.
    func options(of id: ID<ConnectionKind>, _ publisher: any Publisher) -> JSON {
        target(id, publisher)["options"] ?? .object([])
    }

    /// Which field of the form a fault of the API's is about: `targets[0].options.mode` is `o.conn_….mode`.
    func field(of fault: String) -> String {
        if fault.hasPrefix("content.") { return String(fault.dropFirst("content.".count)) }
        if fault.hasPrefix("media") { return "media" }
        if fault == "publish_at" { return "when" }
        guard fault.hasPrefix("targets["), let end = fault.firstIndex(of: "]"),
            let index = Int(fault[fault.index(fault.startIndex, offsetBy: 8)..<end]), to.indices.contains(index)
        else { return fault.hasPrefix("targets") ? "to" : "form" }
        let rest = fault[end...].dropFirst(2)
        return rest.hasPrefix("options.") ? "o.\(to[index]).\(rest.dropFirst(8))" : "to.\(to[index])"
    }
}

extension PostOption {
    /// What was typed, as the API takes it; nil where it says what holds anyhow. What cannot be one stays a text, and
    /// is refused.
    fileprivate func value(_ typed: String) -> JSON? {
        switch kind {
        case .words: typed == usual ? nil : .string(typed)
        case .flag: .bool(true)
        case .whole: Int64(typed).map { JSON($0) } ?? .string(typed)
        case .text: .string(typed)
        }
    }
}
