import Foundation
import Synchronization

/// A program of ours that runs as a process of its own and ends when we do.
///
/// Its standard input is a pipe that nobody writes to: when this process ends, however it ends, the child reads the end
/// of it and stops (`Lifeline`). It has a process group of its own, so that Ctrl-C reaches us alone.
final class Child: Sendable {
    let name: String
    let pid: pid_t
    private let lifeline: Int32
    private let state = Mutex(State())

    private struct State {
        var status: Int32?
        var waiting: [CheckedContinuation<Int32, Never>] = []
    }

    /// - Parameters:
    ///   - log: a file for what it says, standard error and output.
    ///   - output: takes standard output instead.
    init(
        _ name: String, _ program: String, _ arguments: [String], environment: [String: String], log: String,
        output: Int32? = nil
    ) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Fault("No pipe can be made: \(Self.problem).", code: 1) }
        defer { close(ends[0]) }
        Self.closeInChildren()
        self.name = name
        lifeline = ends[1]
        do { pid = try Self.spawn(program, arguments, environment, input: ends[0], log: log, output: output) } catch {
            close(ends[1])
            throw error
        }
        Thread { [self] in wait() }.start()
    }

    deinit { close(lifeline) }

    /// How it ended: its exit status, or minus the signal. Nil while it runs.
    var status: Int32? { state.withLock { $0.status } }

    /// Waits for its end.
    func ended() async -> Int32 {
        await withCheckedContinuation { continuation in
            let status = state.withLock { state -> Int32? in
                if state.status == nil { state.waiting.append(continuation) }
                return state.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// Never reaches another process: as long as it is not noted as ended, its id is its own.
    func signal(_ number: Int32) { state.withLock { if $0.status == nil { kill(pid, number) } } }

    /// Asks it to end, and ends it where it does not within the time.
    func stop(within time: Duration) async {
        signal(SIGTERM)
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while status == nil, clock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))  // Cancelled: then it is looked at more often.
        }
        signal(SIGKILL)
        _ = await ended()
    }

    private func wait() {
        var information = siginfo_t()
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let waiting = state.withLock { state in
            var raw: Int32 = 0
            waitpid(pid, &raw, 0)
            let status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : -(raw & 0x7F)
            state.status = status
            defer { state.waiting = [] }
            return state.waiting.map { ($0, status) }
        }
        for (continuation, status) in waiting { continuation.resume(returning: status) }
    }

    // MARK: Starting

    private static var problem: String { String(cString: strerror(errno)) }

    /// Nothing that is open here is passed on but what is named.
    private static func closeInChildren() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []  // Then only pipes.
        for name in names {
            if let descriptor = Int32(name), descriptor > 2 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
    }

    private static func spawn(
        _ program: String, _ arguments: [String], _ environment: [String: String], input: Int32, log: String,
        output: Int32?
    ) throws -> pid_t {
        var argv = ([program] + arguments).map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, output ?? 2, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Threads of a pool block most signals, and we have handlers of our own: a child begins without either.
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var spawned: pid_t = 0
        let code = posix_spawn(&spawned, program, &actions, &attributes, &argv, &envp)
        guard code == 0 else {
            throw Fault("\(program) cannot be started: \(String(cString: strerror(code))).", code: 1)
        }
        return spawned
    }
}

/// Ends this process when whoever started it has ended: standard input is a pipe of theirs.
enum Lifeline {
    static func follow() {
        Thread {
            var byte: UInt8 = 0
            while true {
                let count = read(STDIN_FILENO, &byte, 1)
                guard count > 0 || count < 0 && errno == EINTR else { break }
            }
            kill(getpid(), SIGTERM)
            sleep(35)  // Longer than a server takes to end in order.
            _exit(1)
        }.start()
    }
}
