import Crypto
public import Kit
public import NIOCore
import NIOPosix
public import Store

/// Files that the application gives us: kept whole or not at all, their bytes in a folder, what is known of them in a
/// row.
public struct ObjectStore: Sendable {
    /// As large as the largest file that any platform takes.
    public static let sizeMax: Int64 = 4 << 30
    /// Read or written at once.
    static let piece = 1 << 20
    /// How much is written before the room that is left is looked at again.
    static let lookEvery: Int64 = 64 << 20

    public let folder: ObjectFolder
    let database: any Database
    let ids: Identifiers
    private let time: TimeSource
    private var threads: NIOThreadPool { .singleton }

    public init(folder: ObjectFolder, database: any Database, ids: Identifiers, time: TimeSource) {
        self.folder = folder
        self.database = database
        self.ids = ids
        self.time = time
    }

    /// Makes the folder; at start.
    public func prepare() async throws { try await blocking { try $0.prepare() } }

    func blocking<Value: Sendable>(
        _ work: @escaping @Sendable (ObjectFolder) throws -> Value
    ) async throws -> Value {
        try await threads.runIfActive { [folder] in try work(folder) }
    }

    /// Bytes that lie in their place, and have no row yet: `discard` removes them again.
    public struct Kept: Sendable {
        public let id: ID<ObjectKind>
        public let size: Int64
        public let sha256: [UInt8]
        public let facts: MediaFacts
    }

    /// Takes bytes in as they come.
    ///
    /// - Parameters:
    ///   - length: as it was announced.
    ///   - most: bytes that are taken.
    /// - Throws: `ObjectProblem`; what the parts throw. Nothing is left of them then.
    public func take<Parts: AsyncSequence>(
        _ parts: Parts, length: Int64?, most: Int64 = sizeMax
    ) async throws -> Kept where Parts.Element == ByteBuffer {
        if let length, length > most { throw ObjectProblem.tooLarge(most) }
        let id = ids.make(ObjectKind.self)
        let file = try await blocking { folder in
            try folder.checkRoom(for: length ?? 0)
            return try folder.begin(id)
        }
        let (size, hash): (Int64, [UInt8])
        do {
            (size, hash) = try await write(parts, length, most, to: file)
            try await blocking { try $0.settle(id, file) }
        } catch {
            try? await blocking { $0.abandon(id, file) }  // The sweep removes what is left.
            throw error
        }
        let facts = try await blocking { folder in
            folder.close(file)
            return try MediaFacts(reading: try folder.read(id))
        }
        return Kept(id: id, size: size, sha256: hash, facts: facts)
    }

    private func write<Parts: AsyncSequence>(
        _ parts: Parts, _ length: Int64?, _ most: Int64, to file: Int32
    ) async throws -> (size: Int64, sha256: [UInt8]) where Parts.Element == ByteBuffer {
        var (hash, size, looked, gathered) = (SHA256(), Int64(0), Int64(0), [UInt8]())
        gathered.reserveCapacity(Self.piece)
        for try await part in parts {
            size += Int64(part.readableBytes)
            guard size <= most else { throw ObjectProblem.tooLarge(most) }
            gathered += part.readableBytesView
            guard gathered.count >= Self.piece else { continue }
            let looks = size - looked >= Self.lookEvery
            if looks { looked = size }
            hash = try await append(gathered, hash, looks: looks, to: file)
            gathered.removeAll(keepingCapacity: true)
        }
        hash = try await append(gathered, hash, looks: false, to: file)
        if let length, size != length { throw ObjectProblem.short(size) }
        return (size, Array(hash.finalize()))
    }

    /// Hashing costs as much as writing: both leave the request's own thread.
    private func append(_ bytes: [UInt8], _ hash: SHA256, looks: Bool, to file: Int32) async throws -> SHA256 {
        try await blocking { folder in
            if looks { try folder.checkRoom(for: 0) }
            var hash = hash
            hash.update(data: bytes)
            try folder.write(bytes, to: file)
            return hash
        }
    }

    /// Removes bytes that got no row.
    public func discard(_ kept: Kept) async {
        try? await blocking { try $0.remove(kept.id) }  // The sweep removes what is left.
    }

    // MARK: Reading

    /// Gives a part of an object's bytes, piece by piece, each read when the one before was taken.
    public func pieces(of id: ID<ObjectKind>, _ range: Range<Int64>) async throws -> Pieces {
        let file = try await blocking { try $0.read(id) }
        guard range.upperBound <= file.length else { throw ObjectProblem.gone }
        return Pieces(file: file, range: range)
    }

    /// A part of a file, in pieces.
    public struct Pieces: AsyncSequence, Sendable {
        public typealias Element = ByteBuffer
        public typealias Failure = any Error
        let file: ObjectFile
        let range: Range<Int64>

        public struct AsyncIterator: AsyncIteratorProtocol {
            let file: ObjectFile
            var range: Range<Int64>

            public mutating func next() async throws -> ByteBuffer? {
                guard !range.isEmpty else { return nil }
                let start = range.lowerBound
                let count = Int(Swift.min(Int64(256 << 10), range.upperBound - start))
                let bytes = try await NIOThreadPool.singleton.runIfActive { [file] in
                    try file.bytes(at: start, count: count)
                }
                guard !bytes.isEmpty else { throw ObjectProblem.gone }
                range = start + Int64(bytes.count)..<range.upperBound
                return ByteBuffer(bytes: bytes)
            }
        }

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(file: file, range: range) }
    }

    // MARK: Upkeep

    /// Removes the files of objects that are to go, then their rows. Answers how many.
    public func deleteDropped() async throws -> Int {
        let due = try await database.read("objects_to_delete") { try $0.objectsToDelete(200) }
        guard !due.isEmpty else { return 0 }
        try await blocking { folder in for id in due { try folder.remove(id) } }
        try await database.set("forget_objects", in: .maintenance) { try $0.forgetObjects(due) }
        return due.count
    }

    /// Marks what has expired, removes what is to go, drafts that nobody finishes, and files without a row.
    public func sweep() async throws -> Int {
        let now = time.now()
        while try await database.write("expire_objects", in: .maintenance, { try $0.expireObjects(100, at: now) })
            == 100
        {}
        var count = 0
        while true {
            let deleted = try await deleteDropped()
            count += deleted
            if deleted == 0 { break }
        }
        count += try await sweepUploads(at: now)
        let old = now - .days(1)
        count += try await blocking { $0.sweepDrafts(before: old) }
        let files = try await blocking { $0.files(before: old, 200) }
        for start in stride(from: 0, to: files.count, by: 200) {
            let part = Array(files[start..<Swift.min(start + 200, files.count)])
            let known = try await database.read("known_objects") { try $0.knownObjects(part.map(\.text)) }
            let orphans = part.filter { !known.contains($0.text) }
            try await blocking { folder in for id in orphans { try folder.remove(id) } }
            count += orphans.count
        }
        return count
    }
}
