import Kit

/// Rows of an answer for a terminal: a column for each member.
struct Table {
    /// The heading, and the path of names to the value.
    let columns: [(heading: String, path: [String])]

    init(_ columns: (String, [String])...) { self.columns = columns.map { (heading: $0.0, path: $0.1) } }

    /// Prints a page of a list, and how to go on.
    func print(_ page: JSON) {
        let rows = (page["data"]?.elements ?? []).map { row in
            columns.map { column in Self.text(column.path.reduce(Optional(row)) { $0?[$1] }) }
        }
        let widths = columns.indices.map { column in
            ([columns[column].heading] + rows.map { $0[column] }).map(\.count).max() ?? 0
        }
        for row in [columns.map(\.heading)] + rows {
            let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(
                separator: "  ")
            say(String(line.reversed().drop { $0 == " " }.reversed()))
        }
        if let cursor = page["next_cursor"]?.text {
            note("More: --cursor \(cursor)")
        }
    }

    /// Prints one thing, a line for each member that is not null.
    static func print(_ thing: JSON) {
        let members = (thing.members ?? []).filter { !$0.value.isNull }
        let width = members.map(\.name.count).max() ?? 0
        for member in members {
            say(
                member.name + String(repeating: " ", count: width - member.name.count + 2)
                    + text(member.value, short: false))
        }
    }

    /// A value on one line; times in the local zone.
    private static func text(_ value: JSON?, short: Bool = true) -> String {
        switch value {
        case nil, .null: "-"
        case .string(let text): localTime(text) ?? text.visible(atMost: short ? 60 : 100_000)
        case .number(let number): number
        case .bool(let bool): bool ? "yes" : "no"
        case .some(let other): other.line.visible(atMost: short ? 60 : 100_000)
        }
    }

    private static func localTime(_ text: String) -> String? {
        guard text.utf8.count == 27, let moment = Timestamp(rfc3339: text) else { return nil }
        return LocalTime.full(moment)
    }
}
