/// PEM (RFC 7468), read as far as keys and certificates need it.
public enum PEM {
    public struct Block: Sendable, Equatable {
        public let label: String
        public let bytes: [UInt8]
    }

    /// The blocks of a text, in order; what stands between them does not count, and a block that cannot be read ends
    /// the list.
    public static func blocks(of text: [UInt8]) -> [Block] {
        var blocks: [Block] = []
        var open: (label: [UInt8], digits: [UInt8])?
        for line in text.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let line = trimmed(line)
            if let label = label(of: line, after: "-----BEGIN ") {
                open = (label, [])
            } else if let label = label(of: line, after: "-----END ") {
                guard let block = open, block.label == label, let bytes = Base64.decode(block.digits) else {
                    return blocks
                }
                blocks.append(Block(label: String(decoding: label, as: UTF8.self), bytes: bytes))
                open = nil
            } else {
                open?.digits += line
            }
        }
        return blocks
    }

    /// A block as text, in lines of 64 characters.
    public static func text(_ label: String, _ bytes: [UInt8]) -> String {
        var lines = ["-----BEGIN \(label)-----"]
        var rest = Base64.encode(bytes)[...]
        while !rest.isEmpty {
            lines.append(String(decoding: rest.prefix(64), as: UTF8.self))
            rest = rest.dropFirst(64)
        }
        return (lines + ["-----END \(label)-----"]).joined(separator: "\n") + "\n"
    }

    private static func label(of line: ArraySlice<UInt8>, after beginning: String) -> [UInt8]? {
        let dashes = Array("-----".utf8)
        guard line.starts(with: beginning.utf8), line.suffix(5).elementsEqual(dashes) else { return nil }
        return Array(line.dropFirst(beginning.utf8.count).dropLast(5))
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let start = line.drop(while: isBlank)
        return start.prefix(upTo: start.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start.startIndex)
    }
}
