/// Reads a form with files part by part as it comes (RFC 7578): no more than one piece of a file is held.
public struct FormParts<Source: AsyncIteratorProtocol> where Source.Element == [UInt8] {
    /// What stands before a part's bytes.
    public struct Part: Sendable, Equatable {
        public let name: String
        /// Nil for a field; empty where no file was chosen.
        public let fileName: String?
        public let contentType: String?
    }
    /// It ends early, or is no form.
    public struct Broken: Error {}

    /// The names of a part and its type take less.
    private static var headMax: Int { 16 << 10 }

    private var source: Source
    private var held: [UInt8] = Array("\r\n".utf8)
    private let mark: [UInt8]
    /// What comes before the first part is read as a part without a name.
    private var isInside = true

    /// Whether a request's body is such a form.
    public static func isMultipart(_ contentType: String?) -> Bool {
        contentType?.lowercased().hasPrefix("multipart/form-data") == true
    }

    /// Nil where the type names no boundary.
    public init?(_ source: Source, contentType: String?) {
        guard let contentType, Self.isMultipart(contentType),
            let boundary = Self.parameter("boundary", of: contentType), (1...70).contains(boundary.utf8.count)
        else { return nil }
        self.source = source
        mark = Array("\r\n--\(boundary)".utf8)
    }

    /// The next part; what is left of the one before is passed over. Nil behind the last.
    public mutating func next() async throws -> Part? {
        while try await piece() != nil {}
        while held.count < 2 { try await more() }
        if held.starts(with: Array("--".utf8)) { return nil }
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let found = Self.find(end, in: held) {
                let head = String(decoding: held[..<found], as: UTF8.self)
                held.removeFirst(found + end.count)
                isInside = true
                return try Self.part(head)
            }
            guard held.count <= Self.headMax else { throw Broken() }
            try await more()
        }
    }

    /// More of the current part; nil at its end.
    public mutating func piece() async throws -> [UInt8]? {
        while isInside {
            if let found = Self.find(mark, in: held) {
                let last = Array(held[..<found])
                held.removeFirst(found + mark.count)
                isInside = false
                return last.isEmpty ? nil : last
            }
            // A mark may have begun at the end.
            let safe = held.count - mark.count
            if safe > 0 {
                let piece = Array(held[..<safe])
                held.removeFirst(safe)
                return piece
            }
            try await more()
        }
        return nil
    }

    private mutating func more() async throws {
        guard let part = try await source.next() else { throw Broken() }
        held += part
    }

    private static func find(_ wanted: [UInt8], in bytes: [UInt8]) -> Int? {
        var from = 0
        while let start = bytes[from...].firstIndex(of: wanted[0]), start + wanted.count <= bytes.count {
            if bytes[start..<start + wanted.count].elementsEqual(wanted) { return start }
            from = start + 1
        }
        return nil
    }

    private static func part(_ head: String) throws -> Part {
        var headers: [String: String] = [:]
        for line in head.split(separator: "\r\n") {
            let pair = line.split(separator: ":", maxSplits: 1)
            guard pair.count == 2 else { continue }
            headers[pair[0].lowercased()] = String(pair[1].drop { $0 == " " })
        }
        guard let disposition = headers["content-disposition"], disposition.lowercased().hasPrefix("form-data"),
            let name = parameter("name", of: disposition)
        else { throw Broken() }
        return Part(name: name, fileName: parameter("filename", of: disposition), contentType: headers["content-type"])
    }

    /// Browsers write `"` in a name as `%22`, and nothing else is escaped.
    private static func parameter(_ name: String, of header: String) -> String? {
        guard let range = header.firstRange(of: "; \(name)=") ?? header.firstRange(of: ";\(name)=") else { return nil }
        let value = header[range.upperBound...]
        guard value.hasPrefix("\"") else { return String(value.prefix { $0 != ";" && $0 != " " }) }
        return String(value.dropFirst().prefix { $0 != "\"" }).replacing("%22", with: "\"")
    }
}
