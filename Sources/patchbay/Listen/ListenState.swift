import Crypto
import Engine
import Foundation
import Glibc
import Kit
import Synchronization

/// Where a `listen` stopped: a small file for each server and local address. Written after the local application took
/// something, so that what it did not take comes again.
final class ListenState: Sendable {
    /// Deliveries that were passed on last: one that brought several events is passed on once.
    private static let recentMax = 64

    private let file: URL
    private let head: [JSONMember]
    /// Held for as long as this lives.
    private let lock: Int32
    private let kept = Mutex<(position: Int64?, recent: [String])>((nil, []))

    /// - Throws: `Fault` where another `listen` uses the same state, or it cannot be kept.
    init(server: String, forwardTo: String, what: String, environment: [String: String]) throws {
        let folder = try Self.folder(environment)
        let name = SHA256.hash(data: Data("\(server)\n\(forwardTo)\n\(what)".utf8)).prefix(8)
            .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        file = folder.appendingPathComponent(name + ".json")
        head = [
            .init("server", .string(server)), .init("forward_to", .string(forwardTo)), .init("what", .string(what)),
        ]
        lock = open(folder.appendingPathComponent(name + ".lock").path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw Fault("Another patchbay listen passes the same on to \(forwardTo). End it first.", code: 1)
        }
    }

    /// Reads where it stopped.
    func load() throws {
        guard let data = FileManager.default.contents(atPath: file.path) else { return }
        guard let json = try? JSON.parse(Array(data)), let position = json["position"]?.integer, position >= 0 else {
            // What is wrong with it does not matter: nobody else writes it.
            throw Fault("\(file.path) cannot be read. Remove it with: --forget", code: 1)
        }
        let recent = json["recent"]?.elements?.compactMap(\.text) ?? []
        kept.withLock { $0 = (position, recent) }
    }

    deinit { if lock >= 0 { close(lock) } }

    /// Where all that `listen` keeps between two runs lies.
    static func folder(_ environment: [String: String]) throws -> URL {
        let base =
            environment["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0) : nil }
            ?? URL(fileURLWithPath: environment["HOME"] ?? "/").appendingPathComponent(".local/state")
        let folder = base.appendingPathComponent("patchbay/listen")
        do {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault("\(folder.path) cannot be made. Set XDG_STATE_HOME to a folder of yours.", code: 1)
        }
        return folder
    }

    var position: Int64? { kept.withLock { $0.position } }
    func hasPassedOn(_ delivery: String) -> Bool { kept.withLock { $0.recent.contains(delivery) } }

    /// Everything up to here is done with.
    func save(_ position: Int64, passedOn delivery: String? = nil) throws {
        let recent = kept.withLock { kept in
            kept.position = position
            if let delivery { kept.recent = Array((kept.recent + [delivery]).suffix(Self.recentMax)) }
            return kept.recent
        }
        let json = JSON.object(
            head + [
                .init("position", JSON(position)), .init("recent", .array(recent.map(JSON.string))),
                .init("saved_at", JSON(Timestamp.system)),
            ])
        do { try Data(json.bytes).write(to: file, options: .atomic) } catch {
            throw Fault("\(file.path) cannot be written: \(error.localizedDescription)", code: 1)
        }
    }

    /// Removes what is kept. False where nothing was.
    func forget() throws -> Bool {
        kept.withLock { $0 = (nil, []) }
        guard FileManager.default.fileExists(atPath: file.path) else { return false }
        do { try FileManager.default.removeItem(at: file) } catch {
            throw Fault("\(file.path) cannot be removed: \(error.localizedDescription)", code: 1)
        }
        return true
    }
}
