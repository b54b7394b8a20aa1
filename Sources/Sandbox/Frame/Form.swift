import Kit

/// A form with names in brackets, `items[0][price]=x`, as a tree. Later values of a name replace earlier ones.
final class Form {
    private(set) var text: String?
    private(set) var children: [(name: String, form: Form)] = []

    /// Whether it has more, or deeper, fields than anybody sends: what is beyond is not read.
    private(set) var isTooLarge = false

    private static let depthMax = 10
    private static let pairsMax = 2000

    /// Reads a query or a body in `application/x-www-form-urlencoded`.
    static func parse(_ bytes: some Collection<UInt8>) -> Form {
        let root = Form()
        let pairs = bytes.split(separator: UInt8(ascii: "&"), maxSplits: pairsMax + 1)
        root.isTooLarge = pairs.count > pairsMax
        for pair in pairs.prefix(pairsMax) {
            let sides = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = sides.first, !name.isEmpty else { continue }
            let path = path(decoded(name))
            guard path.count <= depthMax else {
                root.isTooLarge = true
                continue
            }
            root.put(sides.count > 1 ? decoded(sides[1]) : "", at: path[...])
        }
        return root
    }

    subscript(_ name: String) -> Form? { children.last { $0.name == name }?.form }

    private func put(_ value: String, at path: ArraySlice<String>) {
        guard let first = path.first else { return text = value }
        // `expand[]=a&expand[]=b` appends.
        let name = first.isEmpty ? String(children.count) : first
        let child: Form
        if let known = self[name] {
            child = known
        } else {
            child = Form()
            children.append((name, child))
        }
        child.put(value, at: path.dropFirst())
    }

    private static func path(_ name: String) -> [String] {
        guard let open = name.firstIndex(of: "["), name.hasSuffix("]") else { return [name] }
        let inner = name[name.index(after: open)...].dropLast()
        return [String(name[..<open])]
            + inner.replacing("][", with: "\u{0}").split(
                separator: "\u{0}", omittingEmptySubsequences: false
            ).map(String.init)
    }

    static func decoded(_ bytes: some Collection<UInt8>) -> String {
        var out: [UInt8] = []
        var rest = Array(bytes)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                out.append(0x20)
            } else if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                out.append(value)
                rest = rest.dropFirst(2)
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
