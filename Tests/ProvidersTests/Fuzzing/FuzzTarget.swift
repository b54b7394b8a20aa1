/// One parser of bytes from outside, with what must hold whatever they are. The fuzzer (`scripts/fuzz`) calls it with
/// what it makes up, a test with what the fuzzer kept.
struct FuzzTarget: Sendable {
    /// A property that does not hold.
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    let name: String
    /// What the fuzzer begins from, besides the kept corpus.
    let seeds: @Sendable () -> [[UInt8]]
    /// Throws `Broken`. A trap and an endless loop are the other ways to fail.
    let run: @Sendable ([UInt8]) async throws -> Void

    init(_ name: String, seeds: [String] = [], run: @escaping @Sendable ([UInt8]) async throws -> Void) {
        self.init(name, seeds: { seeds.map { Array($0.utf8) } }, run: run)
    }
    init(
        _ name: String, seeds: @escaping @Sendable () -> [[UInt8]],
        run: @escaping @Sendable ([UInt8]) async throws -> Void
    ) {
        (self.name, self.seeds, self.run) = (name, seeds, run)
    }

    static let all: [FuzzTarget] = values + [webhooks, answers, actors, certificate, csv, multipart]

    static func hold(_ claim: Bool, _ property: String) throws {
        guard claim else { throw Broken(description: property) }
    }

    /// What stands before the first mark, and what behind it.
    static func parts(_ bytes: [UInt8], at mark: String) -> (head: String, rest: [UInt8]) {
        let mark = Array(mark.utf8)
        let end = bytes.indices.first { bytes[$0...].starts(with: mark) } ?? bytes.endIndex
        return (String(decoding: bytes[..<end], as: UTF8.self), Array(bytes[end...].dropFirst(mark.count)))
    }
}
