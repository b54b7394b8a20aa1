import Glibc
public import Kit

/// Where the bytes of objects lie: a folder, a file each under the object's id.
///
/// Blocking: its calls belong on threads that may wait (`ObjectStore`). No name from outside is ever part of a path.
public struct ObjectFolder: Sendable {
    /// Of the disk that stays free whatever is stored, so that webhooks are kept: a gigabyte or a twentieth, whichever
    /// is less.
    static let reserveMax: UInt64 = 1 << 30

    public let path: String
    /// For tests: how many bytes are free.
    let free: @Sendable (String) -> (free: UInt64, all: UInt64)?

    public init(_ path: String) { self.init(path, free: Self.space) }
    /// For tests: a folder on a disk of a tebibyte with so much free.
    public static func ofTest(_ path: String, free: @escaping @Sendable () -> UInt64) -> ObjectFolder {
        ObjectFolder(path) { _ in (free(), 1 << 40) }
    }
    init(_ path: String, free: @escaping @Sendable (String) -> (free: UInt64, all: UInt64)?) {
        self.path = path
        self.free = free
    }

    /// Makes the folder where it is missing.
    func prepare() throws(ObjectProblem) {
        for folder in [path, path + "/tmp"] {
            guard mkdir(folder, 0o700) != 0, errno != EEXIST else { continue }
            throw .folder("\(folder) cannot be made: \(Self.reason(errno)).")
        }
        for letter in Self.shards where mkdir("\(path)/\(letter)", 0o700) != 0 && errno != EEXIST {
            throw .folder("\(path)/\(letter) cannot be made: \(Self.reason(errno)).")
        }
    }

    /// The last character of an id is random: a folder for each keeps folders small.
    private static let shards = Array("0123456789abcdefghjkmnpqrstvwxyz")

    func place(of id: ID<ObjectKind>) -> String { "\(path)/\(id.text.last ?? "0")/\(id.text)" }
    func draft(of id: ID<ObjectKind>) -> String { "\(path)/tmp/\(id.text)" }

    /// Whether so many bytes more leave the reserve alone.
    func checkRoom(for bytes: Int64) throws(ObjectProblem) {
        guard let (free, all) = free(path) else { return }
        let reserve = min(Self.reserveMax, all / 20)
        guard free >= reserve, free - reserve >= UInt64(max(0, bytes)) else { throw .full }
    }

    private static func space(_ path: String) -> (free: UInt64, all: UInt64)? {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return nil }
        return (UInt64(facts.f_bavail) * UInt64(facts.f_frsize), UInt64(facts.f_blocks) * UInt64(facts.f_frsize))
    }

    static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    // MARK: Files

    func begin(_ id: ID<ObjectKind>) throws(ObjectProblem) -> Int32 {
        let file = open(draft(of: id), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw problem(errno) }
        return file
    }

    func write(_ bytes: [UInt8], to file: Int32) throws(ObjectProblem) {
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress?.advanced(by: offset), bytes.count - offset)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw problem(errno) }
            offset += written
        }
    }

    /// Opens a draft to be gone on with: by one writer at a time, on all machines that see the folder.
    func resume(_ id: ID<ObjectKind>) throws(ObjectProblem) -> (file: Int32, length: Int64) {
        let file = open(draft(of: id), O_RDWR | O_APPEND | O_CLOEXEC)
        guard file >= 0 else { throw problem(errno) }
        var facts = stat()
        guard flock(file, LOCK_EX | LOCK_NB) == 0, fstat(file, &facts) == 0 else {
            close(file)
            throw .busy
        }
        return (file, Int64(facts.st_size))
    }

    /// How much of an upload is here: of its draft, or of the file that it has become.
    func length(of id: ID<ObjectKind>) throws(ObjectProblem) -> Int64 {
        var facts = stat()
        if stat(draft(of: id), &facts) == 0 { return Int64(facts.st_size) }
        guard errno == ENOENT, stat(place(of: id), &facts) == 0 else { throw problem(errno) }
        return Int64(facts.st_size)
    }

    func readDraft(_ id: ID<ObjectKind>) throws(ObjectProblem) -> ObjectFile {
        let handle = open(draft(of: id), O_RDONLY | O_CLOEXEC)
        guard handle >= 0 else { throw problem(errno) }
        return try ObjectFile(handle)
    }

    func sync(file: Int32) throws(ObjectProblem) { guard fsync(file) == 0 else { throw problem(errno) } }

    func removeDraft(_ id: ID<ObjectKind>) { unlink(draft(of: id)) }

    /// The whole file is in its place and on the disk, or nothing is.
    func settle(_ id: ID<ObjectKind>, _ file: Int32) throws(ObjectProblem) {
        guard fsync(file) == 0 else { throw problem(errno) }
        guard rename(draft(of: id), place(of: id)) == 0 else { throw problem(errno) }
        try sync(String(place(of: id).dropLast(id.text.utf8.count + 1)))
    }

    private func sync(_ folder: String) throws(ObjectProblem) {
        let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw problem(errno) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw problem(errno) }
    }

    func close(_ file: Int32) { _ = Glibc.close(file) }

    /// Leaves nothing of a draft.
    func abandon(_ id: ID<ObjectKind>, _ file: Int32) {
        close(file)
        unlink(draft(of: id))
    }

    /// Removes a file. One that is not there is removed already.
    func remove(_ id: ID<ObjectKind>) throws(ObjectProblem) {
        guard unlink(place(of: id)) == 0 || errno == ENOENT else { throw problem(errno) }
    }

    private func problem(_ code: Int32) -> ObjectProblem {
        switch code {
        case ENOSPC, EDQUOT: .full
        case ENOENT: .gone
        default: .folder("A file in \(path) cannot be used: \(Self.reason(code)).")
        }
    }

    /// An object's file, open for reading.
    func read(_ id: ID<ObjectKind>) throws(ObjectProblem) -> ObjectFile {
        let handle = open(place(of: id), O_RDONLY | O_CLOEXEC)
        guard handle >= 0 else { throw problem(errno) }
        return try ObjectFile(handle)
    }

    /// Names in a folder that are older than a moment, at most so many.
    private func old(in folder: String, before moment: Timestamp, _ limit: Int) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while names.count < limit, let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var facts = stat()
            guard ID<ObjectKind>(name) != nil, stat("\(folder)/\(name)", &facts) == 0,
                Timestamp(seconds: Int64(facts.st_mtim.tv_sec)) < moment
            else { continue }
            names.append(name)
        }
        return names
    }

    /// Removes drafts that nobody finishes any more.
    func sweepDrafts(before moment: Timestamp) -> Int {
        let names = old(in: path + "/tmp", before: moment, 1000)
        for name in names { unlink("\(path)/tmp/\(name)") }
        return names.count
    }

    /// Files in their places that are older than a moment, at most so many a folder.
    func files(before moment: Timestamp, _ limit: Int) -> [ID<ObjectKind>] {
        Self.shards.flatMap { old(in: "\(path)/\($0)", before: moment, limit) }.compactMap { ID($0) }
    }
}

/// Why bytes cannot be kept or read.
public enum ObjectProblem: Error, Sendable, Equatable {
    /// The disk has no more room than its reserve.
    case full
    /// More than an object may have, or than was announced.
    case tooLarge(Int64)
    /// Less came than was announced.
    case short(Int64)
    /// The bytes are not there.
    case gone
    /// Another request writes to the same upload.
    case busy
    /// An upload goes on elsewhere: so much of it is here.
    case elsewhere(Int64)
    /// The folder cannot be used; the sentence says why.
    case folder(String)

    public var sentence: String {
        switch self {
        case .full: "The disk for objects is full. Free some room, or set DISK_STORAGE_PATH to a larger one."
        case .tooLarge(let most): "An object has at most \(most) bytes."
        case .short(let count): "The body ended after \(count) bytes, before its Content-Length."
        case .gone: "The object's bytes are no longer there."
        case .busy: "Another request writes to this upload. Ask for its offset when that has ended."
        case .elsewhere(let count): "\(count) bytes of the upload are here. Go on from there."
        case .folder(let reason): reason
        }
    }
}

/// A file that is open for reading, closed with its last reference.
public final class ObjectFile: ByteSource, Sendable {
    private let handle: Int32
    public let length: Int64

    init(_ handle: Int32) throws(ObjectProblem) {
        self.handle = handle
        var facts = stat()
        guard fstat(handle, &facts) == 0 else { throw .folder("A file cannot be looked at.") }
        length = Int64(facts.st_size)
    }
    deinit { Glibc.close(handle) }

    public func bytes(at offset: Int64, count: Int) throws -> [UInt8] {
        guard offset >= 0, count > 0, offset < length else { return [] }
        let wanted = Int(min(Int64(count), length - offset))
        return try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            while filled < wanted {
                let read = pread(
                    handle, buffer.baseAddress?.advanced(by: filled), wanted - filled, off_t(offset) + filled)
                if read < 0, errno == EINTR { continue }
                guard read >= 0 else { throw ObjectProblem.folder("A file cannot be read.") }
                if read == 0 { break }
                filled += read
            }
        }
    }
}
