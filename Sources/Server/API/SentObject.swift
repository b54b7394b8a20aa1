import Engine
import Hummingbird
import Kit
import Store

/// An object's bytes, as an answer.
enum SentObject {
    static let headers = [
        Parameter("Range", .line(1...200).example("bytes=0-1023"), "Only these bytes; one range."),
        Parameter("If-Range", .line(1...200), "The range only if the object still has this ETag."),
        ObjectCondition.ifNoneMatch,
    ]

    static func answers(_ type: String) -> [AnswerDescription] {
        [
            AnswerDescription(status: 200, what: "The bytes.", contentType: type, schema: nil, headers: ["ETag"]),
            AnswerDescription(status: 206, what: "A part of them.", contentType: type, schema: nil, headers: ["ETag"]),
            AnswerDescription(
                status: 304, what: "They are what you have.", contentType: nil, schema: nil, headers: ["ETag"]),
        ]
    }

    static func answer(_ request: APIRequest, _ row: ObjectRow, as type: String) async throws -> Answer {
        let store = try request.objects
        let tag = Field("ETag", row.tag)
        if try ObjectCondition(request.headers).isKnown(row) {
            var answer = Answer(status: 304)
            answer.headers = [tag]
            return answer
        }
        let isSame = request.headers[.ifRange].map { $0 == row.tag } ?? true
        let range: Range<Int64>
        do { range = try ByteRange.of(isSame ? request.headers[.range] : nil, size: row.size) } catch {
            var problem = Problem(.rangeNotSatisfiable, "The object has \(row.size) bytes.")
            problem.headers = [Field("Content-Range", "bytes */\(row.size)")]
            throw problem
        }
        let pieces: ObjectStore.Pieces
        do { pieces = try await store.pieces(of: row.id, range) } catch let problem as ObjectProblem {
            throw Problem(problem)
        }
        let isWhole = range == 0..<row.size
        var answer = Answer(status: isWhole ? 200 : 206, contentType: type)
        answer.headers = [
            tag, Field("Accept-Ranges", "bytes"),
            Field("Content-Length", String(range.upperBound - range.lowerBound)),
            // Whatever it is, no browser takes it for a page of this server.
            Field("Content-Disposition", "attachment; filename=\"\(row.id)\""),
            Field("Content-Security-Policy", "sandbox; default-src 'none'"),
        ]
        if !isWhole {
            answer.headers.append(
                Field("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(row.size)"))
        }
        answer.stream = { writer in
            for try await piece in pieces { try await writer.write(piece) }
            try await writer.finish(nil)
        }
        return answer
    }
}

/// One range of a file (RFC 9110, 14). More than one, or another unit, is as if nothing had been asked for.
enum ByteRange {
    struct Beyond: Error {}

    static func of(_ text: String?, size: Int64) throws(Beyond) -> Range<Int64> {
        guard let text, text.hasPrefix("bytes="), !text.contains(",") else { return 0..<size }
        let ends = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2,
            ends.allSatisfy({ $0.utf8.count <= 18 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return 0..<size }
        switch (Int64(ends[0]), Int64(ends[1])) {
        case (nil, nil): return 0..<size
        case (nil, let count?):
            guard count > 0, size > 0 else { throw Beyond() }
            return max(0, size - count)..<size
        case (let first?, let last):
            guard first < size else { throw Beyond() }
            guard let last else { return first..<size }
            return last < first ? 0..<size : first..<min(size, last + 1)
        }
    }
}

extension ObjectRow {
    /// The checksum of its bytes: a strong ETag.
    var tag: String { "\"\(String(decoding: Hex.encode(sha256), as: UTF8.self))\"" }
}

/// `If-Match` and `If-None-Match` (RFC 9110, 13.1), by the checksum of the object's bytes.
struct ObjectCondition: Sendable {
    private static let tags = Schema.line(1...2000).example("*")
    static let ifMatch = Parameter("If-Match", tags, "Only if these are its bytes; `*`: only if there is one.")
    static let ifNoneMatch = Parameter(
        "If-None-Match", tags, "Only if these are not its bytes; `*`: only if there is none.")

    /// Nil where nothing is asked; empty for any.
    private let match: [String]?
    private let noneMatch: [String]?

    init(_ headers: HTTPFields) throws(Problem) {
        match = try Self.tags(headers[.ifMatch], "If-Match")
        noneMatch = try Self.tags(headers[.ifNoneMatch], "If-None-Match")
    }

    private static func tags(_ text: String?, _ name: String) throws(Problem) -> [String]? {
        guard let text, text != "*" else { return text.map { _ in [] } }
        let tags = text.split(separator: ",").map { $0.filter { !$0.isWhitespace } }
            .map { $0.hasPrefix("W/") ? String($0.dropFirst(2)) : $0 }
        guard !tags.isEmpty, tags.allSatisfy({ $0.utf8.count >= 2 && $0.hasPrefix("\"") && $0.hasSuffix("\"") }) else {
            throw Problem(.invalidHeader, [FieldProblem(name, "must be * or ETags of ours, in quotes.")])
        }
        return tags
    }

    /// - Throws: 412 when what stands there, or nothing, is not what the caller expects.
    func check(_ row: ObjectRow?) throws(Problem) {
        if let match, !(row.map { match.isEmpty || match.contains($0.tag) } ?? false) {
            throw Problem(.preconditionFailed, row.map { "Its ETag is \($0.tag) now." } ?? "There is no object yet.")
        }
        if let row, let noneMatch, noneMatch.isEmpty || noneMatch.contains(row.tag) {
            throw Problem(.preconditionFailed, "There is an object already. Its ETag is \(row.tag).")
        }
    }

    /// Whether the caller has these bytes already.
    func isKnown(_ row: ObjectRow) -> Bool { noneMatch.map { $0.isEmpty || $0.contains(row.tag) } ?? false }
}
