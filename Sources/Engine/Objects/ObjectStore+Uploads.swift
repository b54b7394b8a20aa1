import Crypto
public import Kit
public import NIOCore
import Store

/// Files that come in several requests: a draft that grows, and becomes an object with its last byte.
extension ObjectStore {
    /// An upload that is not whole after so long is given up; a day after its last byte already.
    public static let uploadLife = Duration.days(7)

    /// Begins an upload: an empty draft, under the id that the object will have.
    public func beginUpload(length: Int64) async throws -> ID<ObjectKind> {
        guard length <= Self.sizeMax else { throw ObjectProblem.tooLarge(Self.sizeMax) }
        let id = ids.make(ObjectKind.self)
        try await blocking { folder in
            try folder.checkRoom(for: length)
            folder.close(try folder.begin(id))
        }
        return id
    }

    /// How many bytes of an upload are here.
    public func uploaded(_ id: ID<ObjectKind>) async throws -> Int64 {
        try await blocking { try $0.length(of: id) }
    }

    /// Takes more of an upload. What has come stays, even when the request breaks off.
    ///
    /// - Parameter offset: where the bytes belong, which must be the end of what is here.
    /// - Returns: how many bytes are here; and the whole file in its place, when it is whole.
    public func append<Parts: AsyncSequence>(
        _ parts: Parts, to id: ID<ObjectKind>, at offset: Int64, length: Int64
    ) async throws -> (count: Int64, kept: Kept?) where Parts.Element == ByteBuffer {
        let (file, here): (Int32, Int64)
        do { (file, here) = try await blocking { try $0.resume(id) } } catch ObjectProblem.gone {
            return (length, try await whole(id, at: offset, length))
        }
        do {
            guard here == offset else { throw ObjectProblem.elsewhere(here) }
            let count = try await grow(parts, from: here, to: length, in: file)
            guard count == length else {
                try await blocking { folder in
                    try folder.sync(file: file)
                    folder.close(file)
                }
                return (count, nil)
            }
            let kept = try await settle(id, file, count)
            try await blocking { $0.close(file) }
            return (count, kept)
        } catch {
            try? await blocking { $0.close(file) }  // The first error says more.
            throw error
        }
    }

    private func grow<Parts: AsyncSequence>(
        _ parts: Parts, from start: Int64, to length: Int64, in file: Int32
    ) async throws -> Int64 where Parts.Element == ByteBuffer {
        var (count, gathered) = (start, [UInt8]())
        gathered.reserveCapacity(Self.piece)
        func write(_ bytes: [UInt8]) async throws {
            try await blocking { folder in
                try folder.checkRoom(for: 0)
                try folder.write(bytes, to: file)
            }
        }
        do {
            for try await part in parts {
                count += Int64(part.readableBytes)
                guard count <= length else { throw ObjectProblem.tooLarge(length) }
                gathered += part.readableBytesView
                guard gathered.count >= Self.piece else { continue }
                try await write(gathered)
                gathered.removeAll(keepingCapacity: true)
            }
        } catch let problem as ObjectProblem {
            throw problem
        } catch {
            // The request broke off: the next one goes on behind what it brought.
            try await write(gathered)
            throw error
        }
        try await write(gathered)
        return count
    }

    /// A file that is in its place and wants only its row: whoever put it there ended before that.
    private func whole(_ id: ID<ObjectKind>, at offset: Int64, _ length: Int64) async throws -> Kept {
        let file = try await blocking { try $0.read(id) }
        guard file.length == length else { throw ObjectProblem.gone }
        guard offset == length else { throw ObjectProblem.elsewhere(length) }
        let hash = try await hash(of: file, length)
        let facts = try await blocking { _ in try MediaFacts(reading: file) }
        return Kept(id: id, size: length, sha256: hash, facts: facts)
    }

    /// Hashes what came in many requests, and puts it into its place.
    private func settle(_ id: ID<ObjectKind>, _ file: Int32, _ length: Int64) async throws -> Kept {
        let hash = try await hash(of: try await blocking { try $0.readDraft(id) }, length)
        let facts = try await blocking { folder in
            try folder.settle(id, file)
            return try MediaFacts(reading: try folder.read(id))
        }
        return Kept(id: id, size: length, sha256: hash, facts: facts)
    }

    private func hash(of draft: ObjectFile, _ length: Int64) async throws -> [UInt8] {
        var (hash, offset) = (SHA256(), Int64(0))
        while offset < length {
            let (from, sofar) = (offset, hash)
            let (more, count) = try await blocking { _ in
                let bytes = try draft.bytes(at: from, count: Self.piece)
                var hash = sofar
                hash.update(data: bytes)
                return (hash, bytes.count)
            }
            guard count > 0 else { throw ObjectProblem.gone }
            (hash, offset) = (more, from + Int64(count))
        }
        return Array(hash.finalize())
    }

    /// Leaves nothing of the bytes of an upload that has ended without an object.
    public func dropUpload(_ id: ID<ObjectKind>) async throws {
        try await blocking { folder in
            folder.removeDraft(id)
            try folder.remove(id)
        }
    }

    /// Gives up uploads that take too long. Answers how many.
    func sweepUploads(at now: Timestamp) async throws -> Int {
        let due = try await database.read("old_uploads") { try $0.uploads(before: now - Self.uploadLife, 200) }
        guard !due.isEmpty else { return 0 }
        // First their end: one that becomes an object meanwhile keeps its bytes.
        let ended = try await database.write("end_uploads", in: .maintenance) { session in
            try due.filter { try session.endUpload($0) }
        }
        for id in ended { try await dropUpload(id) }
        return ended.count
    }
}
