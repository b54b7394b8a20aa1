/// Comma-separated values as RFC 4180 has them: quotes around what holds commas, quotes doubled, lines of CRLF or LF.
public struct CSV: Sequence, IteratorProtocol {
    /// A row, and the line of the file on which it begins.
    public struct Row: Sendable, Equatable {
        public let line: Int
        public let fields: [String]
    }

    private let bytes: [UInt8]
    private var position: Int
    private var line = 1

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0  // As some spreadsheets begin.
    }

    /// The next row; empty lines are passed over. A quote that is never closed takes the rest.
    public mutating func next() -> Row? {
        while position < bytes.count {
            let start = line
            let fields = row()
            if fields != [""] { return Row(line: start, fields: fields) }
        }
        return nil
    }

    private mutating func row() -> [String] {
        var (fields, field, isQuoted): ([String], [UInt8], Bool) = ([], [], false)
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\n") { line += 1 }
            if isQuoted {
                guard byte == UInt8(ascii: "\"") else {
                    field.append(byte)
                    continue
                }
                if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
                    field.append(byte)
                    position += 1
                } else {
                    isQuoted = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\"") where field.isEmpty: isQuoted = true
            case UInt8(ascii: ","):
                fields.append(String(decoding: field, as: UTF8.self))
                field = []
            case UInt8(ascii: "\r") where position < bytes.count && bytes[position] == UInt8(ascii: "\n"): break
            case UInt8(ascii: "\n"): return fields + [String(decoding: field, as: UTF8.self)]
            default: field.append(byte)
            }
        }
        return fields + [String(decoding: field, as: UTF8.self)]
    }
}
