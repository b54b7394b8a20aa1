/// A place in a JSON value, as people write it: `$.data.object.lines[0].id`, or one in each element of a list:
/// `$.data.object.lines[*].id`.
public struct JSONPath: Sendable, Equatable {
    private enum Step: Sendable, Equatable {
        case member(String)
        case element(Int)
        case everyElement
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
                let inside = rest.prefix { $0 != "]" }
                rest = rest.dropFirst(inside.count)
                guard let step = Self.step(inside), rest.popFirst() == "]" else { return nil }
                steps.append(step)
            default: return nil
            }
        }
        guard !steps.isEmpty, steps.count <= Self.stepsMax else { return nil }
        self.steps = steps
        self.text = text
    }

    /// What brackets hold.
    private static func step(_ inside: Substring) -> Step? {
        if inside == "*" { return .everyElement }
        guard inside.utf8.count <= 6, let number = Int(inside), number >= 0 else { return nil }
        return .element(number)
    }

    /// What stands there: one value, or one for each element of a list, in order; none where there is no such place.
    /// Of members of one name the last counts.
    public func values(in json: JSON) -> [JSON] {
        var values = [json]
        for step in steps where !values.isEmpty {
            values = values.flatMap { value -> [JSON] in
                switch step {
                case .member(let name): value[name].map { [$0] } ?? []
                case .element(let number): value.elements.map { Array($0.dropFirst(number).prefix(1)) } ?? []
                case .everyElement: value.elements ?? []
                }
            }
        }
        return values
    }
}
