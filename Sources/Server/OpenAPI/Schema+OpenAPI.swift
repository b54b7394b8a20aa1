import Kit

extension Schema {
    /// As JSON Schema 2020-12. Named schemas become references and are collected.
    ///
    /// - Parameter isClosed: whether unknown members are refused: in requests; answers may gain members.
    func json(isClosed: Bool, named found: inout [String: Schema]) -> JSON {
        if case .named(let name, let schema) = kind {
            found[name] = schema
            let reference = JSON.object([.init("$ref", .string("#/components/schemas/\(name)"))])
            return isNullable
                ? .object([.init("oneOf", .array([reference, .object([.init("type", "null")])]))]) : reference
        }
        var members = constraints(isClosed: isClosed, named: &found)
        if isNullable, let type = members.first(where: { $0.name == "type" })?.value {
            members = members.map { $0.name == "type" ? .init("type", .array([type, "null"])) : $0 }
            members = members.map { member in
                guard member.name == "enum", case .array(let words) = member.value else { return member }
                return .init("enum", .array(words + [.null]))
            }
        }
        if let example { members.append(.init("examples", .array([example]))) }
        return .object(members)
    }

    private func constraints(isClosed: Bool, named found: inout [String: Schema]) -> [JSONMember] {
        switch kind {
        case .anything, .named: return []
        case .boolean: return [.init("type", "boolean")]
        case .words(let words): return [.init("type", "string"), .init("enum", .array(words.map(JSON.string)))]
        case .integer(let range):
            var members: [JSONMember] = [.init("type", "integer"), .init("format", "int64")]
            if range.lowerBound != .min { members.append(.init("minimum", JSON(range.lowerBound))) }
            if range.upperBound != .max { members.append(.init("maximum", JSON(range.upperBound))) }
            return members
        case .text(let text):
            var members: [JSONMember] = [.init("type", "string")]
            if let format = text.format { members.append(.init("format", .string(format))) }
            if let pattern = text.pattern { members.append(.init("pattern", .string(pattern))) }
            if text.pattern?.hasSuffix("}$") != true, text.format != "date-time" {
                if text.count.lowerBound > 0 { members.append(.init("minLength", JSON(text.count.lowerBound))) }
                if text.count.upperBound != .max { members.append(.init("maxLength", JSON(text.count.upperBound))) }
            }
            return members
        case .array(let element, let count):
            var members: [JSONMember] = [
                .init("type", "array"), .init("items", element.json(isClosed: isClosed, named: &found)),
            ]
            if count.lowerBound > 0 { members.append(.init("minItems", JSON(count.lowerBound))) }
            if count.upperBound != .max { members.append(.init("maxItems", JSON(count.upperBound))) }
            return members
        case .map(let element, let most):
            return [
                .init("type", "object"), .init("additionalProperties", element.json(isClosed: isClosed, named: &found)),
                .init("maxProperties", JSON(most)),
            ]
        case .object(let properties):
            return object(properties, isClosed: isClosed, named: &found)
        }
    }

    private func object(_ properties: [Property], isClosed: Bool, named found: inout [String: Schema]) -> [JSONMember] {
        var described: [JSONMember] = []
        for property in properties {
            guard case .object(let inner) = property.schema.json(isClosed: isClosed, named: &found) else { continue }
            described.append(.init(property.name, .object(inner + [.init("description", .string(property.what))])))
        }
        let required = properties.filter(\.isRequired).map { JSON.string($0.name) }
        var members: [JSONMember] = [.init("type", "object"), .init("properties", .object(described))]
        if !required.isEmpty { members.append(.init("required", .array(required))) }
        if isClosed { members.append(.init("additionalProperties", false)) }
        return members
    }
}
