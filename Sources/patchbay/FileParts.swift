import Foundation
import NIOCore

/// A file, in parts as they are read; says how far it is.
struct FileParts: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    typealias Failure = any Error

    let path: String
    let count: Int64
    /// Told after each part how many bytes have been read.
    let progress: @Sendable (Int64) -> Void

    /// - Throws: `Fault` 2 with what is wrong with the file.
    init(_ path: String, progress: @escaping @Sendable (Int64) -> Void) throws {
        let facts = try? FileManager.default.attributesOfItem(atPath: path)  // Not there: said below.
        guard let facts, facts[.type] as? FileAttributeType == .typeRegular, let size = facts[.size] as? NSNumber else {
            throw Fault("There is no file \(path).", code: 2)
        }
        self.path = path
        count = size.int64Value
        self.progress = progress
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        private static let piece = 1 << 20
        let path: String
        let progress: @Sendable (Int64) -> Void
        private var file: FileHandle?
        private var read: Int64 = 0

        init(_ parts: FileParts) { (path, progress) = (parts.path, parts.progress) }

        mutating func next() async throws -> ByteBuffer? {
            let file = try self.file ?? FileHandle(forReadingFrom: URL(filePath: path))
            self.file = file
            guard let bytes = try file.read(upToCount: Self.piece), !bytes.isEmpty else {
                try file.close()
                return nil
            }
            read += Int64(bytes.count)
            progress(read)
            return ByteBuffer(bytes: bytes)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
