/// RFC 9421, HTTP Message Signatures: one signature, over headers and derived values of the request.
extension HTTPSignature {
    static func rfc9421(of delivery: Delivery) throws(Forged) -> HTTPSignature {
        let input = try members(of: inputHeader, in: delivery)
        let values = try members(of: header, in: delivery)
        // Where there are several, each proves its own part, and nobody agrees on what to believe then.
        guard input.count == 1, values.count == 1, let (label, member) = input.first, let value = values.first,
            value.key == label
        else { throw .malformed(header: inputHeader, problem: "needs one signature, the same as Signature has") }
        guard case .list(let items, let parameters) = member else {
            throw .malformed(header: inputHeader, problem: "is no list of what is signed")
        }
        guard case .item(let item) = value.member, case .bytes(let signature) = item.value, !signature.isEmpty else {
            throw .malformed(header: header, problem: "holds no signature in base64 between colons")
        }
        guard let components = components(items) else {
            throw .malformed(header: inputHeader, problem: "lists a part that is not known here, or one twice")
        }
        return HTTPSignature(
            writing: .rfc9421, keyID: text("keyid", in: parameters) ?? "", algorithm: text("alg", in: parameters),
            created: try seconds("created", in: parameters), expires: try seconds("expires", in: parameters),
            components: components, signature: signature,
            parameters: StructuredFields.text(of: items, parameters))
    }

    private static func members(
        of header: String, in delivery: Delivery
    ) throws(Forged) -> [(key: String, member: StructuredFields.Member)] {
        guard let members = StructuredFields.dictionary(Array(try delivery.single(header).utf8)) else {
            throw .malformed(header: header, problem: "is no dictionary as RFC 9651 writes one")
        }
        return members
    }

    private static func text(_ key: String, in parameters: StructuredFields.Parameters) -> String? {
        guard case .string(let text) = parameters.first(where: { $0.key == key })?.value else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil where it is not there; what is there and no whole number of seconds is refused.
    private static func seconds(
        _ key: String, in parameters: StructuredFields.Parameters
    ) throws(Forged) -> Timestamp? {
        guard let value = parameters.first(where: { $0.key == key })?.value else { return nil }
        guard case .integer(let seconds) = value else {
            throw .malformed(header: inputHeader, problem: "needs whole seconds in \(key)")
        }
        return Timestamp(seconds: seconds)
    }

    private static let derived = [
        "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query",
    ]

    /// Nil for a derived value that a request does not have, a parameter that changes what is signed in a way that is
    /// not known here, and for one that stands there twice.
    private static func components(_ items: [StructuredFields.Item]) -> [Component]? {
        var components: [Component] = []
        for item in items {
            guard case .string(let bytes) = item.value else { return nil }
            let name = String(decoding: bytes, as: UTF8.self)
            var component = Component(name: name)
            if name == "@query-param" {
                guard item.parameters.count == 1, case ("name", .string(let parameter))? = item.parameters.first else {
                    return nil
                }
                component.parameter = String(decoding: parameter, as: UTF8.self)
            } else {
                let isKnown = name.utf8.first != UInt8(ascii: "@") || derived.contains(name)
                guard isKnown, item.parameters.isEmpty, name.utf8.elementsEqual(name.utf8.map(\.asciiLowercased)) else {
                    return nil
                }
            }
            guard !components.contains(component) else { return nil }
            components.append(component)
        }
        return components
    }

    func rfc9421Base(of delivery: Delivery) throws(Forged) -> [UInt8] {
        var base: [UInt8] = []
        for component in components {
            let parameter = component.parameter.map { name in
                Array(";name=".utf8) + StructuredFields.text(of: .string(Array(name.utf8)))
            }
            base += Array("\"\(component.name)\"".utf8) + (parameter ?? []) + Array(": ".utf8)
            base += try value(of: component, in: delivery) + [UInt8(ascii: "\n")]
        }
        return base + Array("\"@signature-params\": ".utf8) + parameters
    }

    private func value(of component: Component, in delivery: Delivery) throws(Forged) -> [UInt8] {
        let target = Array(delivery.target.utf8)
        let path = Array(target.prefix { $0 != UInt8(ascii: "?") })
        switch component.name {
        case "@method": return Array(delivery.method.utf8)
        case "@authority", "host": return try delivery.authority()
        case "@request-target": return target
        case "@path": return path.isEmpty ? [UInt8(ascii: "/")] : path
        case "@query":
            return [UInt8(ascii: "?")] + target.dropFirst(path.count + 1)
        case "@query-param":
            let name = Array((component.parameter ?? "").utf8) + [UInt8(ascii: "=")]
            let found = target.dropFirst(path.count + 1).split(separator: UInt8(ascii: "&")).filter {
                $0.starts(with: name)
            }
            guard found.count == 1, let value = found.first else { throw .uncovered("@query-param") }
            return Array(value.dropFirst(name.count))
        case "@target-uri", "@scheme":
            // Only the settings know it: a request says nothing of its scheme.
            guard let url = delivery.url else {
                throw .malformed(header: Self.inputHeader, problem: "covers this server's address, which is not known")
            }
            return component.name == "@target-uri"
                ? Array(url.utf8) : url.utf8.prefix { $0 != UInt8(ascii: ":") }.map(\.asciiLowercased)
        default: return try delivery.joined(component.name)
        }
    }
}
