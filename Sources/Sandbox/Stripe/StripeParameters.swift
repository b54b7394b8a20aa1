import Kit

/// What an operation of Stripe takes: written as text, read into types, everything else refused.
///
///     "amount:int* currency* confirm:flag metadata:map items[]{price* quantity:int} expand[]"
///
/// A name alone is a text; `*` means required; `<a|b>` are the only words that it may be; `{…}` holds the members of
/// an object, `[]` makes a list.
struct StripeParameters: Sendable {
    indirect enum Shape: Sendable {
        case text, integer, flag, time, map, any, range
        case word([String])
        case object(StripeParameters)
        case list(Shape)
    }
    struct Parameter: Sendable {
        let name: String
        let shape: Shape
        let isRequired: Bool
    }
    let all: [Parameter]

    /// - Precondition: a table of ours, never text of a request; a test reads them all.
    init(_ text: String) {
        var rest = text[...]
        self.init(&rest)
    }

    /// Amounts, counts and times beyond these are nobody's; within them no sum of ours overflows.
    private static let numbers: ClosedRange<Int64> = -1_000_000_000_000...1_000_000_000_000

    static let page = "limit:int starting_after ending_before expand[] "

    private init(_ rest: inout Substring) {
        var all: [Parameter] = []
        while true {
            rest = rest.drop { $0.isWhitespace }
            guard let next = rest.first, next != "}" else { break }
            let name = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
            rest = rest.dropFirst(name.count)
            precondition(!name.isEmpty, "a parameter has a name: \(rest)")
            var shape = Shape.text
            let isList = rest.hasPrefix("[]")
            if isList { rest = rest.dropFirst(2) }
            if rest.first == ":" {
                let word = String(rest.dropFirst().prefix { $0.isLetter })
                rest = rest.dropFirst(word.count + 1)
                shape = Self.shape(word)
            } else if rest.first == "<" {
                let words = rest.dropFirst().prefix { $0 != ">" }
                rest = rest.dropFirst(words.count + 2)
                shape = .word(words.split(separator: "|").map(String.init))
            } else if rest.first == "{" {
                rest = rest.dropFirst()
                shape = .object(StripeParameters(&rest))
                rest = rest.dropFirst()
            }
            let isRequired = rest.first == "*"
            if isRequired { rest = rest.dropFirst() }
            all.append(Parameter(name: name, shape: isList ? .list(shape) : shape, isRequired: isRequired))
        }
        self.all = all
    }

    private static func shape(_ word: String) -> Shape {
        switch word {
        case "int": .integer
        case "flag": .flag
        case "time": .time
        case "map": .map
        case "any": .any
        case "range": .range
        default: preconditionFailure("\(word) is no shape")
        }
    }

    /// The parameters of a request, typed. An empty text, which unsets, is null.
    func read(_ form: Form) throws(StripeError) -> JSON { try read(form, under: "") }

    private func read(_ form: Form, under path: String) throws(StripeError) -> JSON {
        func full(_ name: String) -> String { path.isEmpty ? name : "\(path)[\(name)]" }
        var members: [JSONMember] = []
        for (name, child) in form.children {
            guard let parameter = all.first(where: { $0.name == name }) else {
                // A raw card number is refused as Stripe does, which keeps tests honest.
                throw name == "number" && (path == "card" || path.hasSuffix("[card]"))
                    ? Self.rawCard : .unknown(full(name))
            }
            members.append(JSONMember(name, try Self.value(child, parameter.shape, full(name))))
        }
        for parameter in all where parameter.isRequired {
            guard members.contains(where: { $0.name == parameter.name && !$0.value.isNull }) else {
                throw .missing(full(parameter.name))
            }
        }
        return .object(members)
    }

    private static var rawCard: StripeError {
        var error = StripeError.validation(
            """
            Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens \
            that map to the test card you are using, see https://stripe.com/docs/testing.
            """, nil, nil)
        error.status = 402
        error.type = "card_error"
        return error
    }

    private static func value(_ form: Form, _ shape: Shape, _ path: String) throws(StripeError) -> JSON {
        switch shape {
        case .object(let parameters):
            if form.text == "", form.children.isEmpty { return .null }
            guard form.text == nil else { throw invalid("object", path) }
            return try parameters.read(form, under: path)
        case .list(let element):
            if form.text == "", form.children.isEmpty { return .array([]) }
            guard form.text == nil else { throw invalid("array", path) }
            var elements: [JSON] = []
            for (name, child) in form.children { elements.append(try value(child, element, "\(path)[\(name)]")) }
            return .array(elements)
        case .map:
            if form.text == "", form.children.isEmpty { return .null }
            guard form.text == nil else { throw invalid("object", path) }
            return .object(form.children.map { JSONMember($0.name, .string($0.form.text ?? "")) })
        case .any: return tree(form)
        case .range:
            if let text = form.text { return try scalar(text, .integer, path) }
            var members: [JSONMember] = []
            for (name, child) in form.children {
                guard ["gt", "gte", "lt", "lte"].contains(name) else { throw .unknown("\(path)[\(name)]") }
                members.append(JSONMember(name, try scalar(child.text ?? "", .integer, "\(path)[\(name)]")))
            }
            return .object(members)
        case .text, .integer, .flag, .time, .word:
            guard let text = form.text, form.children.isEmpty else { throw invalid("string", path) }
            return try scalar(text, shape, path)
        }
    }

    private static func scalar(_ text: String, _ shape: Shape, _ path: String) throws(StripeError) -> JSON {
        if text.isEmpty { return .null }
        switch shape {
        case .integer:
            guard let number = Int64(text), Self.numbers.contains(number) else {
                throw .validation("Invalid integer: \(text)", "parameter_invalid_integer", path)
            }
            return JSON(number)
        case .flag:
            guard text == "true" || text == "false" else { throw .validation("Invalid boolean: \(text)", nil, path) }
            return .bool(text == "true")
        case .time:
            guard text == "now" || Int64(text).map(Self.numbers.contains) == true else {
                throw .validation("Invalid timestamp: \(text)", "parameter_invalid_integer", path)
            }
            return text == "now" ? "now" : JSON(Int64(text))
        case .word(let words):
            guard words.contains(text) else {
                let name = path.split(separator: "[").last.map { $0.filter { $0 != "]" } } ?? path
                let list =
                    words.dropLast().joined(separator: ", ") + (words.count > 1 ? ", or " : "") + (words.last ?? "")
                throw .validation("Invalid \(name): must be one of \(list)", nil, path)
            }
            return .string(text)
        default: return .string(text)
        }
    }

    private static func invalid(_ kind: String, _ path: String) -> StripeError {
        .validation("Invalid \(kind)", "parameter_invalid_\(kind)", path)
    }

    private static func tree(_ form: Form) -> JSON {
        if let text = form.text { return text.isEmpty ? .null : .string(text) }
        return .object(form.children.map { JSONMember($0.name, tree($0.form)) })
    }
}
