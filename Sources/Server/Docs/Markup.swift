/// A piece of a page. What is put into it is escaped, unless it is such a piece itself.
///
///     let row: Markup = "<td>\(text)</td>"
struct Markup: ExpressibleByStringInterpolation, Sendable {
    let text: String

    init(stringLiteral text: String) { self.text = text }
    init(stringInterpolation pieces: Pieces) { text = pieces.text }
    private init(ours text: String) { self.text = text }

    /// A text of ours in which `code` stands between backticks.
    static func prose(_ text: String) -> Markup {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false).map(String.init)
        return parts.enumerated().map { index, part -> Markup in
            index.isMultiple(of: 2) ? "\(part)" : "<code>\(part)</code>"
        }.joined
    }

    static func + (left: Markup, right: Markup) -> Markup { Markup(ours: left.text + right.text) }

    fileprivate static func ours(_ text: String) -> Markup { Markup(ours: text) }

    struct Pieces: StringInterpolationProtocol {
        var text = ""

        init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }
        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ value: some StringProtocol) { text += Self.escaped(String(value)) }
        mutating func appendInterpolation(_ value: Int) { text += String(value) }
        mutating func appendInterpolation(_ html: Markup) { text += html.text }
        mutating func appendInterpolation(_ html: [Markup]) { for piece in html { text += piece.text } }

        private static func escaped(_ text: String) -> String {
            text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
                .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
        }
    }
}

extension [Markup] {
    /// One after the other.
    var joined: Markup { Markup.ours(map(\.text).joined()) }
}
