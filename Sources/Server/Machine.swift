import CLinux
import Glibc

/// What the operating system says of this process.
public enum Machine {
    public static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, 255) == 0 else { return "unknown" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    public static var processID: Int32 { getpid() }

    /// Bytes of memory in use; 0 where the system does not say.
    public static var residentBytes: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, 256, file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(getpagesize()) : 0
    }

    /// Files and sockets that are open; 0 where the system does not say.
    public static var openDescriptors: Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return max(0, count - 3)  // Without `.`, `..` and the folder itself.
    }

    /// Files and sockets that may be open at once; raised as far as the system lets it, which tells programs 1,024 for
    /// the sake of those that are old.
    static var descriptorsMax: Int { patchbay_raise_descriptors(65_536) }

    /// Few arenas: with many threads glibc's memory grows and does not return, which looks like a leak. And no core
    /// dumps, which would hold opened secrets.
    public static func prepare() {
        patchbay_limit_arenas(2)
        patchbay_forbid_dumps()
    }
}
