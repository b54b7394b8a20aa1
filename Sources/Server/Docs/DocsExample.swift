import Kit

/// One request as it would be typed, and its answer: made from the route's description, run by a test.
struct DocsExample {
    /// With the values of the example.
    let path: String
    let curl: String
    /// What the example is answered, when the ids in it are yours.
    let status: Int
    /// In a sentence.
    let says: String
    /// An answer of this form; nil where it has no JSON.
    let answer: String?

    init(_ route: Route) {
        let action = route.action
        var path = route.template
        for parameter in action.path {
            let value = parameter.schema.sample.text ?? parameter.name
            path = path.replacing("{\(parameter.name)}", with: PercentEncoding.encode(value))
        }
        let said = action.query.compactMap { parameter -> String? in
            if parameter.name == "limit" { return "limit=2" }
            return parameter.isInExample
                ? "\(parameter.name)=\(PercentEncoding.encode(parameter.schema.sample.text ?? parameter.name))" : nil
        }
        if !said.isEmpty { path += "?" + said.joined(separator: "&") }
        self.path = path
        curl = Self.curl(route, path)
        let good = action.answers.first
        status = good?.status ?? 200
        says = [good?.what, good?.contentType].compactMap { $0 }.joined(separator: " ")
        answer = good?.schema.map { schema in
            JSONPretty.written(schema.sample)
        }
    }

    private static func curl(_ route: Route, _ path: String) -> String {
        let action = route.action
        var words = ["curl \(route.method == "GET" ? "" : "-X \(route.method) ")\"$PATCHBAY_URL\(path)\""]
        if action.access != .open { words.append("-H \"Authorization: Bearer $PATCHBAY_API_KEY\"") }
        if action.isIdempotent { words.append("-H \"Idempotency-Key: $(uuidgen)\"") }
        if let body = action.body {
            words.append("-H 'Content-Type: application/json'")
            let text = String(decoding: body.sample.bytes, as: UTF8.self)
            words.append("-d '\(text.replacing("'", with: #"'\''"#))'")
        }
        if action.takesFile { words.append("--data-binary @rye.mp4") }
        return words.joined(separator: " \\\n  ")
    }
}

extension Schema {
    /// A value of this form, for examples: the example that it brings, else the plainest.
    var sample: JSON {
        if let example { return example }
        switch kind {
        case .text(let text):
            return .string(text.fits("text") && text.count.contains(4) ? "text" : text.count.contains(0) ? "" : "t")
        case .words(let words): return words.first.map(JSON.string) ?? .null
        case .integer(let range): return JSON(range.contains(1) ? 1 : range.lowerBound)
        case .boolean: return .bool(true)
        case .array(let element, let count): return count.upperBound == 0 ? [] : .array([element.sample])
        case .object(let properties):
            return .object(properties.filter(\.isRequired).map { JSONMember($0.name, $0.schema.sample) })
        case .map: return [:]
        case .anything: return [:]
        case .named(_, let schema): return schema.sample
        }
    }
}

/// JSON for people: a member a line.
enum JSONPretty {
    static func written(_ json: JSON, indent: String = "") -> String {
        let inner = indent + "  "
        switch json {
        case .object(let members) where !members.isEmpty:
            let lines = members.map {
                inner + String(decoding: JSON.string($0.name).bytes, as: UTF8.self) + ": "
                    + written($0.value, indent: inner)
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        case .array(let elements) where !elements.isEmpty:
            let lines = elements.map { inner + written($0, indent: inner) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(indent)]"
        default: return String(decoding: json.bytes, as: UTF8.self)
        }
    }
}
