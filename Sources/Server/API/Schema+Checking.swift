import Kit

extension Schema {
    /// Everything in a value that is not as described, all at once.
    func problems(in value: JSON, at path: String = "") -> [FieldProblem] {
        if case .named(_, let schema) = kind {
            return value.isNull && isNullable ? [] : schema.problems(in: value, at: path)
        }
        if value.isNull, isNullable { return [] }
        let here = path.isEmpty ? "body" : path
        func wrong(_ expected: String) -> [FieldProblem] { [FieldProblem(here, "must be \(expected).")] }
        switch kind {
        case .named, .anything: return []
        case .text(let text):
            return value.text.map { text.problem(in: $0) }.map { $0.map(wrong) ?? [] } ?? wrong(text.expected)
        case .words(let words):
            guard let word = value.text, words.contains(where: word.hasSameBytes) else {
                return wrong("one of \(words.joined(separator: ", "))")
            }
            return []
        case .integer(let range):
            guard let integer = value.integer, range.contains(integer) else {
                return wrong(
                    range == Int64.min...Int64.max
                        ? "a whole number" : "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return []
        case .boolean: return value.boolean == nil ? wrong("true or false") : []
        case .array(let element, let count):
            guard let elements = value.elements else { return wrong("a list") }
            guard count.contains(elements.count) else { return wrong(Self.amount(count, "elements")) }
            return elements.enumerated().flatMap { element.problems(in: $1, at: "\(path)[\($0)]") }
        case .map(let element, let most):
            guard let members = value.members else { return wrong("an object") }
            guard members.count <= most else { return wrong("an object of at most \(most) members") }
            return Self.repeated(members, path)
                + members.flatMap { element.problems(in: $0.value, at: Self.join(path, $0.name)) }
        case .object(let properties):
            guard let members = value.members else { return wrong("an object") }
            return Self.repeated(members, path) + problems(in: members, against: properties, at: path)
        }
    }

    private func problems(in members: [JSONMember], against properties: [Property], at path: String) -> [FieldProblem] {
        var problems: [FieldProblem] = []
        for member in members {
            let property = properties.first { $0.name.hasSameBytes(as: member.name) }
            if let property {
                problems += property.schema.problems(in: member.value, at: Self.join(path, member.name))
            } else {
                problems.append(FieldProblem(Self.join(path, member.name), "is not known here."))
            }
        }
        for property in properties where property.isRequired {
            if !members.contains(where: { $0.name.hasSameBytes(as: property.name) }) {
                problems.append(FieldProblem(Self.join(path, property.name), "is missing."))
            }
        }
        return problems
    }

    /// Which of two counts, nobody can know.
    private static func repeated(_ members: [JSONMember], _ path: String) -> [FieldProblem] {
        var seen = Set<[UInt8]>()
        return members.filter { !seen.insert(Array($0.name.utf8)).inserted }
            .map { FieldProblem(join(path, $0.name), "stands there twice.") }
    }

    private static func join(_ path: String, _ name: String) -> String {
        let name = OutsideText.bounded(name, 64)
        return path.isEmpty ? name : "\(path).\(name)"
    }

    private static func amount(_ count: ClosedRange<Int>, _ what: String) -> String {
        count.upperBound == .max
            ? "a list of \(count.lowerBound) \(what) or more"
            : "a list of \(count.lowerBound) to \(count.upperBound) \(what)"
    }
}

extension Schema.Text {
    /// What was expected, where the text is not that.
    func problem(in text: String) -> String? {
        let length = text.unicodeScalars.count
        guard count.contains(length) else {
            return count.upperBound == .max
                ? "\(count.lowerBound) characters or more"
                : "\(expected), \(count.lowerBound) to \(count.upperBound) characters"
        }
        return fits(text) ? nil : expected
    }
}

/// Card numbers and codes must not enter: looked for by the names of members, at any depth.
enum CardData {
    private static let names: Set<String> = [
        "cardnumber", "cardno", "ccnumber", "ccnum", "creditcard", "creditcardnumber", "debitcardnumber", "pan",
        "primaryaccountnumber", "cvc", "cvv", "cvv2", "cvc2", "cid", "cardcvc", "cardcvv", "csc", "securitycode",
        "cardsecuritycode", "track1", "track2", "trackdata", "magstripe",
    ]

    /// The first member that is named like card data.
    static func member(in value: JSON) -> String? {
        for element in value.elements ?? [] { if let found = member(in: element) { return found } }
        for member in value.members ?? [] {
            let plain = String(
                decoding: member.name.lowercased().utf8.filter { $0 >= 0x61 && $0 <= 0x7A || $0 >= 0x30 && $0 <= 0x39 },
                as: UTF8.self)
            if names.contains(plain) { return OutsideText.bounded(member.name, 64) }
            if let found = Self.member(in: member.value) { return found }
        }
        return nil
    }
}
