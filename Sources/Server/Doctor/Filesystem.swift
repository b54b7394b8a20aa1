import FoundationEssentials
import Glibc
import Kit

/// Where a folder lies, as far as can be seen from here.
struct Filesystem: Sendable, Equatable {
    /// The kernel's name for it: `ext4`, `tmpfs`, `overlay`, `nfs4`.
    let type: String
    let mountPoint: String

    /// From `/proc/mounts`: the longest mount point above the path; of several on one point the last one counts.
    ///
    /// - Parameter path: absolute, without links.
    static func holding(_ path: String, mounts: String) -> Filesystem? {
        var found: Filesystem?
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 3 else { continue }
            let point = unescaped(fields[1])
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            if isAbove, point.utf8.count >= found?.mountPoint.utf8.count ?? 0 {
                found = Filesystem(type: String(fields[2]), mountPoint: point)
            }
        }
        return found
    }

    static func holding(_ path: String) -> Filesystem? {
        guard let mounts = try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8) else { return nil }
        return holding(URL(fileURLWithPath: path).resolvingSymlinksInPath().path, mounts: mounts)
    }

    /// The kernel writes blanks and backslashes in three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var text = String(field)
        for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
            text = text.replacing(escape, with: character)
        }
        return text
    }

    /// What a database risks there; nil for an ordinary disk.
    var risk: (verdict: Finding.Verdict, sentence: String, advice: String)? {
        switch type {
        case "tmpfs", "ramfs":
            (.failed, "\(mountPoint) is \(type): memory. All is gone when the machine stops.", "Put it on a disk.")
        case "overlay", "overlayfs", "aufs":
            (
                .warning, "\(mountPoint) is \(type), a container's own layer: it goes with the container.",
                "Mount a volume there."
            )
        case "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "fuse.glusterfs", "ceph":
            (
                .warning, "\(mountPoint) is \(type), a network's: SQLite's locks may not hold there.",
                "Use a local disk, or PostgreSQL."
            )
        default: nil
        }
    }
}

/// Free and whole bytes of a disk.
struct DiskSpace: Sendable, Equatable {
    let free: Double
    let whole: Double

    init(free: Double, whole: Double) {
        self.free = free
        self.whole = whole
    }

    /// Of the disk that holds a path; nil where the system does not say.
    init?(at path: String) {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return nil }
        self.init(
            free: Double(facts.f_bavail) * Double(facts.f_frsize),
            whole: Double(facts.f_blocks) * Double(facts.f_frsize))
    }
}

/// How long a disk takes to keep something.
enum SyncProbe {
    private static let rounds = 20
    private static let bytes = 4096

    /// The median of twenty times 4 KB written and synced, in a file of its own in this folder.
    ///
    /// - Throws: the system's own words, where the folder cannot be written.
    static func median(in folder: String) throws(Unwritable) -> Duration {
        let path = folder + "/.patchbay-doctor-\(getpid())"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Unwritable(reason: String(cString: strerror(errno))) }
        defer {
            close(descriptor)
            unlink(path)
        }
        let page = [UInt8](repeating: 0x5A, count: bytes)
        var times: [Duration] = []
        for _ in 0..<rounds {
            let start = ContinuousClock.now
            guard write(descriptor, page, bytes) == bytes, fdatasync(descriptor) == 0 else {
                throw Unwritable(reason: String(cString: strerror(errno)))
            }
            times.append(ContinuousClock.now - start)
        }
        return times.sorted()[rounds / 2]
    }

    struct Unwritable: Error { let reason: String }
}
