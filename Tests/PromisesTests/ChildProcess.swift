import Foundation

/// A program run by a test. Not Foundation's `Process`: that holds a child for living until every grandchild has
/// closed what it inherited, and a database server never does. Only standard descriptors are passed on.
final class ChildProcess: @unchecked Sendable {  // `lock` guards `ended`.
    let pid: pid_t
    private let lock = NSLock()
    private var ended: Int32?

    init(_ path: String, _ arguments: [String], environment: [String: String]? = nil, output: String = "/dev/null")
        throws
    {
        let variables = (environment ?? ProcessInfo.processInfo.environment).map { "\($0.key)=\($0.value)" }
        var argv = ([path] + arguments).map { strdup($0) } + [nil]
        var envp = variables.map { strdup($0) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            if let descriptor = Int32(name), descriptor > 2 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
        // Threads of a pool block most signals, and a child inherits what its thread blocks.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var spawned: pid_t = 0
        let code = posix_spawn(&spawned, path, &actions, &attributes, &argv, &envp)
        guard code == 0 else { throw ServerDied(log: "cannot run \(path): \(String(cString: strerror(code)))") }
        pid = spawned
    }

    var isRunning: Bool { status(waiting: false) == nil }
    func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

    /// Waits for its end. The exit status, or minus the signal that ended it.
    @discardableResult
    func wait() -> Int32 {
        while true {
            if let status = status(waiting: false) { return status }
            usleep(2000)
        }
    }

    private func status(waiting: Bool) -> Int32? {
        lock.withLock {
            if let ended { return ended }
            var raw: Int32 = 0
            guard waitpid(pid, &raw, waiting ? 0 : WNOHANG) == pid else { return nil }
            ended = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : -(raw & 0x7F)
            return ended
        }
    }
}
