/// A value of an event by which people look for it: its order, its customer, an e-mail address. A support case begins
/// with one of them, rarely with the id of an event.
///
///     FindableValue("customer", json: "data.object.customer", "data.object.customer.id")
public struct FindableValue: Sendable {
    /// What people call it; shown where it says by what a platform's events are found.
    public let name: String
    private let read: @Sendable (Content) -> String?

    /// The first of these places of a JSON event that holds a text or a whole number: names from the outermost object
    /// inwards, joined by full stops.
    public init(_ name: String, json places: String...) {
        let scan = JSONScan(places.map { $0.split(separator: ".").map(String.init) })
        self.name = name
        read = { content in
            guard let found = try? scan.read(content.bytes) else { return nil }  // What is no JSON has no such place.
            return places.indices.lazy.compactMap { place -> String? in
                let text = found.text(place).flatMap { $0.isEmpty ? nil : $0 }
                return text ?? found.integer(place).map(String.init)
            }.first
        }
    }

    /// The first of these fields of a form that is there once, and not empty.
    public init(_ name: String, form fields: String...) {
        self.name = name
        read = { content in
            fields.lazy.compactMap { content.form?.text($0) }.first { !$0.isEmpty }
        }
    }

    /// What neither a place nor a field names.
    ///
    /// - Parameter read: from the event's bytes; nil where they hold no such value.
    public init(_ name: String, read: @escaping @Sendable ([UInt8]) -> String?) {
        self.name = name
        self.read = { read($0.bytes) }
    }

    /// As people type it: bounded, without blanks around it, in small letters. Two values that differ in nothing else
    /// are found as one.
    public static func normal(_ text: String) -> String? {
        let trimmed = text.drop { $0.isWhitespace }
        let end = trimmed.lastIndex { !$0.isWhitespace }
        let value = end.map { trimmed[...$0].lowercased() } ?? ""
        return value.isEmpty || value.utf8.count > valueMax ? nil : value
    }
    /// Bytes; what is longer is no name of anything.
    private static let valueMax = 256

    fileprivate func value(in content: Content) -> String? { read(content).flatMap(Self.normal) }
}

/// An event's bytes, read as a form once, where somebody asks.
private struct Content {
    let bytes: [UInt8]
    let form: FormFields?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        form = FormFields(bytes)
    }
}

/// By which values a platform's events are found: four at most, since each is a row for each event.
public struct FindableValues: Sendable {
    public static let none = FindableValues()
    public static let most = 4

    public let all: [FindableValue]

    /// More than `most` are left out; a test sees to it that no platform declares more.
    public init(_ all: FindableValue...) { self.all = Array(all.prefix(Self.most)) }

    /// What an event holds of them, each once, as `FindableValue.normal` writes it.
    ///
    /// - Parameter event: the event's own bytes, not those of the delivery that held others too.
    public func read(_ event: [UInt8]) -> [String] {
        guard !all.isEmpty else { return [] }
        let content = Content(event)
        var found: [String] = []
        for value in all.compactMap({ $0.value(in: content) }) where !found.contains(value) { found.append(value) }
        return found
    }
}
