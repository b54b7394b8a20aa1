/// A few values out of a JSON document, without a tree. The whole document is checked all the same.
///
///     static let scan = JSONScan([["id"], ["data", "object", "customer"]])
///     let found = try scan.read(delivery.body)
///     found.text(0)
///
/// As in the tree, the last of duplicate names counts, with all that it holds.
public struct JSONScan: Sendable {
    /// What to look for in one object: names, what stands below them, and which path ends there.
    private struct Node: Sendable {
        var names: [(name: [UInt8], node: Int)] = []
        var path: Int?
        /// All paths that end here or below.
        var below: [Int] = []
    }
    private var nodes = [Node()]
    private let count: Int

    /// Paths of names from the outermost object inwards; results are numbered as the paths are.
    public init(_ paths: [[String]]) {
        count = paths.count
        for (index, path) in paths.enumerated() {
            var node = 0
            for name in path {
                node = child(of: node, named: Array(name.utf8))
                nodes[node].below.append(index)
            }
            nodes[node].path = index
        }
    }

    private mutating func child(of node: Int, named name: [UInt8]) -> Int {
        if let known = nodes[node].names.first(where: { $0.name == name }) { return known.node }
        nodes.append(Node())
        nodes[node].names.append((name, nodes.count - 1))
        return nodes.count - 1
    }

    /// Reads a whole document.
    /// - Throws: where and why it is not JSON; the same documents are accepted as by `JSON.parse`.
    public func read(_ bytes: [UInt8]) throws(JSON.Problem) -> Found {
        var values = [Value?](repeating: nil, count: count)
        try bytes.withUnsafeBufferPointer { buffer throws(JSON.Problem) in
            var reader = JSONReader(buffer)
            try reader.document { reader throws(JSON.Problem) in
                try scan(&reader, at: 0, depth: 0, into: &values)
            }
        }
        return Found(bytes: bytes, values: values)
    }

    /// Reads one value of a document, which lies at `range`; what is found has its place in the whole document.
    /// - Throws: where and why the range is not JSON, counted from its beginning.
    public func read(_ bytes: [UInt8], in range: Range<Int>) throws(JSON.Problem) -> Found {
        let range = range.clamped(to: bytes.indices)
        let found = try read(Array(bytes[range]))
        return Found(
            bytes: bytes,
            values: found.values.map { value in
                value.map {
                    Value(
                        kind: $0.kind,
                        range: $0.range.lowerBound + range.lowerBound..<$0.range.upperBound + range.lowerBound)
                }
            })
    }

    /// Where each element of an array lies in the document; nil where no array lies at `range`.
    public static func elements(of bytes: [UInt8], in range: Range<Int>) -> [Range<Int>]? {
        let range = range.clamped(to: bytes.indices)
        var found: [Range<Int>] = []
        do {
            try Array(bytes[range]).withUnsafeBufferPointer { buffer throws(JSON.Problem) in
                var reader = JSONReader(buffer)
                try reader.document { reader throws(JSON.Problem) in
                    guard reader.next == UInt8(ascii: "[") else { throw reader.problem(.value) }
                    try reader.elements(0) { reader throws(JSON.Problem) in
                        let start = range.lowerBound + reader.position
                        try reader.skip(depth: 1)
                        found.append(start..<range.lowerBound + reader.position)
                    }
                }
            }
        } catch { return nil }
        return found
    }

    /// A value that stands at a node, and within it what stands at the nodes below.
    private func scan(
        _ reader: inout JSONReader, at node: Int, depth: Int, into values: inout [Value?]
    ) throws(JSON.Problem) {
        let start = reader.position
        let kind = Kind(first: reader.next)
        if kind == .object, !nodes[node].names.isEmpty {
            try reader.members(depth) { reader, name throws(JSON.Problem) in
                guard let child = child(of: node, named: name, in: reader.bytes) else {
                    return try reader.skip(depth: depth + 1)
                }
                for path in nodes[child].below { values[path] = nil }
                try scan(&reader, at: child, depth: depth + 1, into: &values)
            }
        } else {
            try reader.skip(depth: depth)
        }
        if let path = nodes[node].path { values[path] = Value(kind: kind, range: start..<reader.position) }
    }

    private func child(of node: Int, named name: JSONText, in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        if name.hasEscapes {
            let decoded = Array(name.decoded(from: bytes).utf8)
            return nodes[node].names.first { $0.name == decoded }?.node
        }
        for (wanted, child) in nodes[node].names where wanted.count == name.end - name.start {
            if wanted.elementsEqual(bytes[name.start..<name.end]) { return child }
        }
        return nil
    }
}

extension JSONScan {
    /// What sort of value was found.
    public enum Kind: Sendable, Equatable {
        case null, bool, number, string, array, object

        init(first byte: UInt8) {
            switch byte {
            case UInt8(ascii: "{"): self = .object
            case UInt8(ascii: "["): self = .array
            case UInt8(ascii: "\""): self = .string
            case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool
            case UInt8(ascii: "n"): self = .null
            default: self = .number
            }
        }
    }

    /// Where a value lies in the document, quotes and brackets included.
    public struct Value: Sendable, Equatable {
        public let kind: Kind
        public let range: Range<Int>
    }

    /// What a scan found, by the number of the path.
    public struct Found: Sendable {
        let bytes: [UInt8]
        let values: [Value?]

        /// Nil where nothing stands under the path.
        public subscript(_ path: Int) -> Value? { values[path] }

        /// The text at a path; nil where none is.
        public func text(_ path: Int) -> String? {
            guard let content = content(path) else { return nil }
            let text = JSONText(
                start: content.startIndex, end: content.endIndex, hasEscapes: content.contains(UInt8(ascii: "\\")))
            return bytes.withUnsafeBufferPointer { text.decoded(from: $0) }
        }

        /// The bytes between the quotes of a text, as sent: what identities are made of.
        public func content(_ path: Int) -> ArraySlice<UInt8>? {
            guard let value = values[path], value.kind == .string else { return nil }
            return bytes[value.range.lowerBound + 1..<value.range.upperBound - 1]
        }

        /// Exact: nil for `1.0`, `1e2` and what 64 bits cannot hold.
        public func integer(_ path: Int) -> Int64? {
            guard let value = values[path], value.kind == .number else { return nil }
            return Int64(String(decoding: bytes[value.range], as: UTF8.self))
        }

        /// Of `true` and `false` only.
        public func boolean(_ path: Int) -> Bool? {
            guard let value = values[path], value.kind == .bool else { return nil }
            return bytes[value.range.lowerBound] == UInt8(ascii: "t")
        }
    }
}
