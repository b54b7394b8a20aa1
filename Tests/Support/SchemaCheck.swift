public import Kit

/// The part of JSON Schema that the catalogue uses.
public enum SchemaCheck {
    /// What is wrong with a value, each with its place.
    public static func problems(with value: JSON, by schema: JSON, at path: String = "$") -> [String] {
        var problems: [String] = []
        if let const = schema["const"], const != value { problems.append("\(path): another constant") }
        if let choices = schema["enum"]?.elements, !choices.contains(value) { problems.append("\(path): no such word") }
        if let type = schema["type"] {
            let names = type.elements?.compactMap(\.text) ?? [type.text].compactMap(\.self)
            if !names.contains(where: { isOfType($0, value) }) { return problems + ["\(path): not \(names)"] }
        }
        if schema["format"]?.text == "date-time", let text = value.text, Timestamp(rfc3339: text) == nil {
            problems.append("\(path): no time")
        }
        guard value.members != nil else { return problems }
        for name in schema["required"]?.elements?.compactMap(\.text) ?? [] where value[name] == nil {
            problems.append("\(path).\(name): missing")
        }
        for property in schema["properties"]?.members ?? [] {
            guard let inner = value[property.name] else { continue }
            problems += Self.problems(with: inner, by: property.value, at: "\(path).\(property.name)")
        }
        return problems
    }

    /// Members that the schema says nothing of: what is sent is described.
    public static func undescribed(in value: JSON, by schema: JSON, at path: String = "$") -> [String] {
        guard let known = schema["properties"]?.members, let members = value.members else { return [] }
        return members.flatMap { member -> [String] in
            guard let property = known.first(where: { $0.name == member.name }) else {
                return ["\(path).\(member.name)"]
            }
            return undescribed(in: member.value, by: property.value, at: "\(path).\(member.name)")
        }
    }

    private static func isOfType(_ name: String, _ value: JSON) -> Bool {
        switch name {
        case "null": value.isNull
        case "string": value.text != nil
        case "integer": value.integer != nil
        case "boolean": value.boolean != nil
        case "object": value.members != nil
        case "array": value.elements != nil
        default: false
        }
    }
}
