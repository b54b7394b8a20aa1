/// draft-cavage-http-signatures-12.
extension HTTPSignature {
    static func draft(of delivery: Delivery) throws(Forged) -> HTTPSignature {
        guard let members = draftMembers(Array(try delivery.single(header).utf8)) else {
            throw .malformed(
                header: header, problem: "is not written as name=\"value\", commas between, each name once")
        }
        func text(_ name: String) -> String? {
            members.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
        }
        guard let keyID = text("keyId"), let signed = text("signature"),
            let signature = Base64.decode(Array(signed.utf8)), !signature.isEmpty
        else { throw .malformed(header: header, problem: "needs a keyId and a signature in base64") }
        let algorithm = text("algorithm")
        let isNamedByKey = algorithm == "hs2019"
        // The draft's §2.1.6: what is signed where nothing is said.
        let names = (text("headers") ?? (isNamedByKey ? "(created)" : "date")).split(
            separator: " ", omittingEmptySubsequences: false
        ).map { $0.lowercased() }
        guard !names.contains(""), Set(names).count == names.count, names.count <= 32 else {
            throw .malformed(header: header, problem: "lists a header twice, or none, or more than 32")
        }
        // §2.3: an algorithm that is named fixes its own time, so these would not be what they seem.
        guard isNamedByKey || !names.contains("(created)") && !names.contains("(expires)") else {
            throw .malformed(header: header, problem: "covers (created) or (expires), which only hs2019 may")
        }
        return HTTPSignature(
            writing: .draft, keyID: keyID, algorithm: algorithm, created: text("created").flatMap(seconds),
            expires: names.contains("(expires)") ? text("expires").flatMap(seconds) : nil,
            components: names.map { Component(name: $0) }, signature: signature, parameters: [])
    }

    private static func seconds(_ text: String) -> Timestamp? {
        guard (1...15).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit) else { return nil }
        return Int64(text).map(Timestamp.init(seconds:))
    }

    /// `name="value"` or `name=123`. Nil where it is written otherwise or a name stands there twice.
    private static func draftMembers(_ text: [UInt8]) -> [(name: String, value: [UInt8])]? {
        var members: [(name: String, value: [UInt8])] = []
        var rest = text[...]
        while !rest.isEmpty {
            guard let sign = rest.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let name = String(decoding: rest[..<sign].withoutBlanks, as: UTF8.self)
            rest = rest[(sign + 1)...]
            let value: ArraySlice<UInt8>
            if rest.first == UInt8(ascii: "\"") {
                rest = rest.dropFirst()
                guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
                value = rest[..<end]
                rest = rest[(end + 1)...]
            } else {
                value = rest.prefix { $0.isDigit }
                guard !value.isEmpty else { return nil }
                rest = rest.dropFirst(value.count)
            }
            guard !name.isEmpty, members.count < 16, !members.contains(where: { $0.name == name }) else { return nil }
            members.append((name, Array(value)))
            rest = rest.drop { $0 == UInt8(ascii: " ") }
            if rest.isEmpty { return members }
            guard rest.first == UInt8(ascii: ",") else { return nil }
            rest = rest.dropFirst()
        }
        return nil
    }

    /// With the query, and without it: older senders leave it out of what they sign.
    func draftBases(of delivery: Delivery) throws(Forged) -> [[UInt8]] {
        let whole = Array(delivery.target.utf8)
        let path = Array(whole.prefix { $0 != UInt8(ascii: "?") })
        let targets = path.count == whole.count || !covers("(request-target)") ? [whole] : [whole, path]
        var bases: [[UInt8]] = []
        for target in targets { bases.append(try draftBase(of: delivery, target: target)) }
        return bases
    }

    private func draftBase(of delivery: Delivery, target: [UInt8]) throws(Forged) -> [UInt8] {
        var lines: [[UInt8]] = []
        for component in components {
            let value: [UInt8]
            switch component.name {
            case "(request-target)":
                value = delivery.method.utf8.map(\.asciiLowercased) + [UInt8(ascii: " ")] + target
            case "(created)": value = try moment(created, "created")
            case "(expires)": value = try moment(expires, "expires")
            case "host": value = try delivery.authority()
            default: value = try delivery.joined(component.name)
            }
            lines.append(Array(component.name.utf8) + Array(": ".utf8) + value)
        }
        return Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    private func moment(_ time: Timestamp?, _ name: String) throws(Forged) -> [UInt8] {
        guard let time else { throw .malformed(header: Self.header, problem: "covers \(name), and has no \(name)") }
        return Array(String(time.seconds).utf8)
    }
}
