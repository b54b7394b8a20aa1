import Crypto
import Kit

/// How a request's body is taken.
enum Intake: Sendable {
    /// Kept whole, up to so many bytes.
    case whole(atMost: Int)
    /// Hashed and counted, not kept: a film of gigabytes goes through a few kilobytes.
    case digested(ContentDigest, atMost: Int)
    /// Read so far and then cut off.
    case cut(after: Int)

    /// No platform takes more in one request that is no file.
    static let usualMax = 4 << 20
}

/// A body that was hashed and counted.
struct Upload: Sendable {
    var count: Int64 = 0
    /// Goes on from what it was given.
    var digest: ContentDigest
    /// What it went on from: another piece of the same content may have ended meanwhile.
    let start: ContentDigest
    /// Of this body alone, in hex.
    var sha256 = ""

    init(from start: ContentDigest) { (digest, self.start) = (start, start) }
}

/// A hash over content that comes in pieces of any size, and goes on after a restart: SHA-256 over blocks of 4,096
/// bytes, each hashed after the state before it; the first state is empty. The same content has the same hash however
/// it was cut.
struct ContentDigest: Sendable, Equatable {
    private var state: [UInt8] = []
    /// Less than a block.
    private var rest: [UInt8] = []

    static let block = 4096

    init() {}

    mutating func update(_ bytes: some Collection<UInt8>) {
        rest += bytes
        var start = 0
        while rest.count - start >= Self.block {
            add(rest[start..<(start + Self.block)])
            start += Self.block
        }
        if start > 0 { rest.removeFirst(start) }
    }

    /// In hex.
    var text: String {
        var copy = self
        if !copy.rest.isEmpty || copy.state.isEmpty { copy.add(copy.rest[...]) }
        return String(decoding: Hex.encode(copy.state), as: UTF8.self)
    }

    private mutating func add(_ block: ArraySlice<UInt8>) {
        var hash = SHA256()
        hash.update(data: state)
        hash.update(data: block)
        state = Array(hash.finalize())
    }

    // MARK: As a world keeps it

    init(_ json: JSON?) {
        state = Base64.decode(Array((json?.text("state") ?? "").utf8)) ?? []
        rest = Base64.decode(Array((json?.text("rest") ?? "").utf8)) ?? []
    }

    var json: JSON {
        func text(_ bytes: [UInt8]) -> JSON { .string(String(decoding: Base64.encode(bytes), as: UTF8.self)) }
        return ["state": text(state), "rest": text(rest)]
    }
}
