import Glibc
import Kit

/// One change of a world, as a line of its file.
enum JournalEntry: Equatable {
    case put(String, [UInt8])
    case delete(String)
    case due(String, Int64?)
    case ahead(Int64)
    case draws(String, UInt64)
    case counter(String, Int64)

    /// A letter and what belongs to it, a tab between. No name holds a tab, no line of JSON an end of line.
    var line: [UInt8] {
        switch self {
        case .put(let key, let bytes): Array("P\t\(key)\t".utf8) + bytes
        case .delete(let key): Array("D\t\(key)".utf8)
        case .due(let key, let time): Array("U\t\(key)\t\(time.map(String.init) ?? "")".utf8)
        case .ahead(let seconds): Array("T\t\(seconds)".utf8)
        case .draws(let stream, let number): Array("S\t\(stream)\t\(number)".utf8)
        case .counter(let name, let number): Array("C\t\(name)\t\(number)".utf8)
        }
    }

    init?(line: ArraySlice<UInt8>) {
        let parts = line.split(separator: UInt8(ascii: "\t"), maxSplits: 2, omittingEmptySubsequences: false)
        func text(_ index: Int) -> String { parts.count > index ? String(decoding: parts[index], as: UTF8.self) : "" }
        switch text(0) {
        case "P" where parts.count == 3: self = .put(text(1), Array(parts[2]))
        case "D": self = .delete(text(1))
        case "U": self = .due(text(1), Int64(text(2)))
        case "T": self = .ahead(Int64(text(1)) ?? 0)
        case "S": self = .draws(text(1), UInt64(text(2)) ?? 0)
        case "C": self = .counter(text(1), Int64(text(2)) ?? 0)
        default: return nil
        }
    }
}

/// A world's file: lines of changes, each turn closed by a line with a full stop.
///
/// A turn is written before it is answered, in one call: a killed process loses nothing that it answered, and a turn
/// cut in half is not read. It is not forced to the disk: a sandbox outlives its process, not the machine's power.
final class Journal {
    private let path: String
    private var descriptor: Int32
    /// Bytes in the file, and when it began.
    private var size = 0
    private var sizeAtStart = 0

    /// Whether most of the file is history by now, and worth a new one: a fast story writes megabytes a second.
    var isLong: Bool { size > max(Self.longMin, 4 * sizeAtStart) }
    private static let longMin = 64 << 20

    /// Reads what is there into a world, then writes it anew without its history. A kept world has its own seed.
    /// - Throws: `SandboxFault` where the file cannot be read or written, or is none of ours.
    static func open(_ path: String, seed: Seed) throws(SandboxFault) -> (Journal, World) {
        let bytes = try read(path)
        let world = World(seed: try kept(in: bytes, path).map(Seed.init) ?? seed)
        replay(bytes, into: world)
        let journal = Journal(path: path)
        try journal.start(over: world)
        return (journal, world)
    }

    private init(path: String) {
        self.path = path
        descriptor = -1
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Adds a turn.
    func append(_ entries: [JournalEntry]) throws(SandboxFault) {
        var bytes: [UInt8] = []
        for entry in entries { bytes += entry.line + [UInt8(ascii: "\n")] }
        bytes += Array(".\n".utf8)
        try write(bytes, to: descriptor)
        size += bytes.count
    }

    /// Writes a new file with all that the world holds, and puts it in the old one's place.
    func start(over world: World) throws(SandboxFault) {
        let next = path + ".new"
        let file = Glibc.open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0o600)
        guard file >= 0 else { throw SandboxFault("\(path) cannot be written: \(problem).") }
        try write(Array("\(Self.header)\(world.seed.value)\n".utf8), to: file)
        var bytes: [UInt8] = []
        for entry in world.snapshot() { bytes += entry.line + [UInt8(ascii: "\n")] }
        try write(bytes + Array(".\n".utf8), to: file)
        (size, sizeAtStart) = (bytes.count, bytes.count)
        guard rename(next, path) == 0 else { throw SandboxFault("\(path) cannot be replaced: \(problem).") }
        if descriptor >= 0 { close(descriptor) }
        descriptor = file
    }

    private static let header = "patchbay sandbox 1 seed "

    private static func kept(in bytes: [UInt8], _ path: String) throws(SandboxFault) -> UInt64? {
        guard !bytes.isEmpty else { return nil }
        let first = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        guard first.hasPrefix(header), let seed = UInt64(first.dropFirst(header.count)) else {
            throw SandboxFault("\(path) is no sandbox's file. Name another with --file.")
        }
        return seed
    }

    private static func replay(_ bytes: [UInt8], into world: World) {
        var turn: [JournalEntry] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() {
            if line.elementsEqual([UInt8(ascii: ".")]) {
                for entry in turn { world.apply(entry) }
                turn.removeAll(keepingCapacity: true)
            } else if let entry = JournalEntry(line: line) {
                turn.append(entry)
            }
        }
    }

    private static func read(_ path: String) throws(SandboxFault) -> [UInt8] {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return [] }
            throw SandboxFault("\(path) cannot be read: \(problem).")
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            guard count >= 0 else { throw SandboxFault("\(path) cannot be read: \(problem).") }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }

    private func write(_ bytes: [UInt8], to file: Int32) throws(SandboxFault) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SandboxFault("\(path) cannot be written: \(problem).") }
            rest = rest.dropFirst(count)
        }
    }
}

private var problem: String { String(cString: strerror(errno)) }

/// Why a sandbox cannot go on, in a sentence for the person who started it.
public struct SandboxFault: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ sentence: String) { description = sentence }
}
