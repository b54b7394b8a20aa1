public import Kit

/// Every type of event that we send, and the JSON Schema of what endpoints receive.
///
/// Adding members or types is free, so schemas close nothing; renaming never happens.
public enum EventCatalogue {
    /// One type.
    struct EventType: Sendable {
        let name: String
        let what: String
        /// Of `data`, besides the members that all have.
        let members: [Member]
    }

    /// A member of `data`: there always, null where it may be.
    struct Member: Sendable {
        indirect enum Kind: Sendable {
            case text, integer, boolean, time, money, anything
            case words([String])
            case object([Member])
        }
        let name: String
        let kind: Kind
        let isNullable: Bool
        let isRequired: Bool
        let what: String

        static func always(_ name: String, _ kind: Kind, _ what: String) -> Member {
            Member(name: name, kind: kind, isNullable: false, isRequired: true, what: what)
        }
        static func orNull(_ name: String, _ kind: Kind, _ what: String) -> Member {
            Member(name: name, kind: kind, isNullable: true, isRequired: true, what: what)
        }
        static func sometimes(_ name: String, _ kind: Kind, _ what: String) -> Member {
            Member(name: name, kind: kind, isNullable: true, isRequired: false, what: what)
        }
    }

    /// The schema of each type, as served at `/events/{type}.schema.json`.
    public static let schemas: [String: JSON] = Dictionary(
        uniqueKeysWithValues: types.map { ($0.name, schema(of: $0)) })

    /// The names of all types, with a sentence each.
    public static var summaries: [(type: String, what: String)] { types.map { ($0.name, $0.what) } }

    // MARK: As JSON Schema

    private static func schema(of type: EventType) -> JSON {
        let timestamp = property(.always("timestamp", .time, "When it happened, not when it was sent."))
        return [
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": .string("/events/\(type.name).schema.json"),
            "title": .string(type.name), "description": .string(type.what), "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": [
                "type": ["const": .string(type.name)], "timestamp": timestamp, "data": object(type.members),
            ],
        ]
    }

    private static func object(_ members: [Member]) -> JSON {
        [
            "type": "object", "required": .array(members.filter(\.isRequired).map { .string($0.name) }),
            "properties": .object(members.map { JSONMember($0.name, property($0)) }),
        ]
    }

    private static func property(_ member: Member) -> JSON {
        var schema = shape(of: member.kind).members ?? []
        if member.isNullable {
            schema = schema.map { part in
                switch part.name {
                case "type": JSONMember("type", [part.value, "null"])
                case "enum": JSONMember("enum", .array((part.value.elements ?? []) + [.null]))
                default: part
                }
            }
        }
        return .object(schema + [JSONMember("description", .string(member.what))])
    }

    private static func shape(of kind: Member.Kind) -> JSON {
        switch kind {
        case .text: ["type": "string"]
        case .integer: ["type": "integer"]
        case .boolean: ["type": "boolean"]
        case .time: ["type": "string", "format": "date-time"]
        case .words(let words): ["type": "string", "enum": .array(words.map(JSON.string))]
        case .anything: [:]
        case .object(let members): object(members)
        case .money:
            object([
                .always("amount", .integer, "In the currency's smallest unit."),
                .always("currency", .text, "ISO 4217."),
            ])
        }
    }
}
