import Foundation

/// The vectors lie beside Kit's tests, which need them too. Those that other projects publish are not part of this one:
/// `PATCHBAY_SHARED_VECTORS` names the folder that has them, and without it their tests are left out.
enum Vectors {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "KitTests/Vectors")

    static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: path))) }

    private static let published = ProcessInfo.processInfo.environment["PATCHBAY_SHARED_VECTORS"].map {
        URL(filePath: $0)
    }
    /// Nil where the folder is not there.
    static func published(_ path: String) -> [UInt8]? {
        published.flatMap { try? Data(contentsOf: $0.appending(path: path)) }.map(Array.init)  // Left out then.
    }
}
