import Engine
import Foundation
import Kit

/// The demo's folder: databases, keys, secrets, ports and logs, made once and kept. One demo at a time uses it.
struct DemoHome: Sendable {
    let path: String
    let webhookSecret: String
    let stripeKey: String
    /// The simulated TikTok's app.
    let tiktok: (key: String, secret: String)
    let encryptionKey: String
    /// Held open as long as this process lives.
    private let lock: Int32

    /// Less room is too little for an evening with the demo.
    private static let roomMin: UInt64 = 200 << 20

    init(_ path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Fault("\(path) cannot be made: \(error.localizedDescription)", code: 1)
        }
        lock = try Self.locked(path + "/lock")
        try Self.checkRoom(path)
        let ids = Identifiers(now: { Timestamp.system })
        func random() -> String { String(decoding: Hex.encode(ids.bytes(16)), as: UTF8.self) }
        encryptionKey = try Self.kept(path + "/encryption-key") { Keyring.written(id: "demo", ids.bytes(32)) }
        webhookSecret = try Self.kept(path + "/stripe-webhook-secret") { "whsec_demo_" + random() }
        stripeKey = try Self.kept(path + "/stripe-secret-key") { "sk_test_demo_" + random() }
        tiktok = (
            try Self.kept(path + "/tiktok-client-key") { "awdemo" + random().prefix(10) },
            try Self.kept(path + "/tiktok-client-secret") { "demo_" + random() }
        )
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// A log of one of the processes; a long one is begun anew.
    func log(_ name: String) -> String {
        let file = file("\(name).log")
        let size = (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0  // 0: none is there.
        if size > 5 << 20 { rename(file, file + ".old") }
        return file
    }

    /// The end of a log, for whoever must know why its process ended.
    func lastLines(of name: String) -> String {
        let bytes = FileManager.default.contents(atPath: file("\(name).log")) ?? Data()
        return String(decoding: bytes.suffix(2000), as: UTF8.self).split(separator: "\n").suffix(5)
            .joined(separator: "\n")
    }

    // MARK: Kept values

    func read(_ name: String) -> String? {
        (try? String(contentsOfFile: file(name), encoding: .utf8)).flatMap { $0.isEmpty ? nil : $0 }  // Else none.
    }

    /// In one piece: a killed demo leaves the old text or the new one.
    func write(_ name: String, _ text: String) throws {
        let next = file(name + ".new")
        guard
            FileManager.default.createFile(
                atPath: next, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]),
            rename(next, file(name)) == 0
        else { throw Fault("\(file(name)) cannot be written: \(String(cString: strerror(errno))).", code: 1) }
    }

    /// A secret in a file that only its owner may read.
    private static func kept(_ file: String, make: () -> String) throws -> String {
        // Else it is made now.
        if let text = try? String(contentsOfFile: file, encoding: .utf8), !text.isEmpty { return text }
        let text = make()
        guard
            FileManager.default.createFile(
                atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw Fault("\(file) cannot be written: \(String(cString: strerror(errno))).", code: 1) }
        return text
    }

    // MARK: Looking first

    private static func locked(_ file: String) throws -> Int32 {
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Fault("\(file) cannot be written: \(String(cString: strerror(errno))).", code: 1)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var text = [UInt8](repeating: 0, count: 200)
            let count = pread(descriptor, &text, text.count, 0)
            close(descriptor)
            let who = String(decoding: text[..<max(0, count)], as: UTF8.self)
            throw Fault(
                "A demo runs in this folder already\(who.isEmpty ? "" : ": \(who)"). "
                    + "Stop it with Ctrl-C, or name another folder: patchbay demo --folder .patchbay-demo-2", code: 1)
        }
        return descriptor
    }

    /// Says in the lock who holds it.
    func sign(_ text: String) {
        ftruncate(lock, 0)
        _ = text.withCString { pwrite(lock, $0, strlen($0), 0) }
    }

    private static func checkRoom(_ path: String) throws {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return }
        let free = UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
        guard free < roomMin else { return }
        throw Fault("\(free >> 20) MB are free at \(path); the demo wants \(roomMin >> 20). Free some.", code: 1)
    }
}
