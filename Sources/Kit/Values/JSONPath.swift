/// A place in a JSON value, as people write it: `$.data.object.lines[0].id`.
public struct JSONPath: Sendable, Equatable {
    private enum Step: Sendable, Equatable {
        case member(String)
        case element(Int)
    }
    /// Deeper is nothing that a person types.
    private static let stepsMax = 32

    private let steps: [Step]
    public let text: String

    /// Nil for what is not written so.
    public init?(_ text: String) {
        guard text.first == "$" else { return nil }
        var (rest, steps) = (text.dropFirst(), [Step]())
        while let mark = rest.popFirst() {
            switch mark {
            case ".":
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty else { return nil }
                steps.append(.member(String(name)))
                rest = rest.dropFirst(name.count)
            case "[":
                let digits = rest.prefix { $0 != "]" }
                rest = rest.dropFirst(digits.count)
                guard digits.utf8.count <= 6, let number = Int(digits), number >= 0, rest.popFirst() == "]" else {
                    return nil
                }
                steps.append(.element(number))
            default: return nil
            }
        }
        guard !steps.isEmpty, steps.count <= Self.stepsMax else { return nil }
        self.steps = steps
        self.text = text
    }

    /// What stands there; nil where there is no such place. Of members of one name the last counts.
    public func value(in json: JSON) -> JSON? {
        var value = json
        for step in steps {
            let next: JSON? =
                switch step {
                case .member(let name): value[name]
                case .element(let number): value.elements.flatMap { $0.indices.contains(number) ? $0[number] : nil }
                }
            guard let next else { return nil }
            value = next
        }
        return value
    }
}
