import Foundation
import Glibc
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
            FileHandle.standardError.write(Data("More: --cursor \(cursor)\n".utf8))
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
        case .string(let text): localTime(text) ?? visible(text, short ? 60 : 100_000)
        case .number(let number): number
        case .bool(let bool): bool ? "yes" : "no"
        case .some(let other): visible(String(decoding: other.bytes, as: UTF8.self), short ? 60 : 100_000)
        }
    }

    /// Without control characters, which could play tricks on a terminal.
    private static func visible(_ text: String, _ most: Int) -> String {
        let plain = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "·" : $0 }))
        return plain.count > most ? plain.prefix(most - 1) + "…" : plain
    }

    private static func localTime(_ text: String) -> String? {
        guard text.utf8.count == 27, let moment = Timestamp(rfc3339: text) else { return nil }
        var seconds = time_t(moment.seconds)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return nil }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
