import Crypto
import CryptoExtras
import Kit
import NIOPosix

/// Passwords as kept: scrypt (RFC 7914), its cost beside the hash so that it can grow.
///
///     scrypt$15$8$3$<salt>$<hash>
enum Passwords {
    /// `rounds` is the exponent of N. 32 MiB and three passes, as OWASP advises (Password Storage Cheat Sheet, 2025).
    struct Cost: Sendable, Equatable {
        var rounds = 15
        var blockSize = 8
        var parallelism = 3
        static let usual = Cost()
        /// The longest password that is hashed, in bytes.
        static let passwordMax = 200
    }

    static func kept(_ password: Secret, salt: [UInt8], cost: Cost) throws -> String {
        let hash = try derive(password, salt, cost)
        return
            (["scrypt", String(cost.rounds), String(cost.blockSize), String(cost.parallelism)]
            + [salt, hash].map { String(decoding: Base64.encode($0), as: UTF8.self) }).joined(separator: "$")
    }

    /// Whether a password is the one that is kept. False for what cannot be read, too.
    static func fits(_ password: Secret, _ kept: String) -> Bool {
        let parts = kept.split(separator: "$").map(String.init)
        guard parts.count == 6, parts[0] == "scrypt", let rounds = Int(parts[1]), (10...20).contains(rounds),
            let blockSize = Int(parts[2]), (1...32).contains(blockSize), let parallelism = Int(parts[3]),
            (1...16).contains(parallelism), let salt = Base64.decode(Array(parts[4].utf8)),
            let hash = Base64.decode(Array(parts[5].utf8)),
            let derived = try? derive(
                password, salt, Cost(rounds: rounds, blockSize: blockSize, parallelism: parallelism))  // No memory: no.
        else { return false }
        return constantTimeEqual(derived, hash)
    }

    private static func derive(_ password: Secret, _ salt: [UInt8], _ cost: Cost) throws -> [UInt8] {
        try password.reveal { bytes in
            let key = try KDF.Scrypt.deriveKey(
                from: bytes, salt: salt, outputByteCount: 32, rounds: 1 << cost.rounds, blockSize: cost.blockSize,
                parallelism: cost.parallelism)
            return key.withUnsafeBytes { Array($0) }
        }
    }
}

/// Hashes passwords one at a time, beside the threads that serve: each costs 32 MiB and a good part of a second.
/// Guards how many wait.
actor PasswordDesk {
    /// More wait only when someone tries to keep this machine busy.
    private static let waitingMax = 16
    private var waiting = 0
    private var last: Task<Void, Never>?

    /// - Throws: `PageProblem.tooBusy` when too many wait.
    func work<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard waiting < Self.waitingMax else { throw PageProblem.tooBusy }
        waiting += 1
        defer { waiting -= 1 }
        let before = last
        let mine = Task {
            await before?.value
            return try await NIOThreadPool.singleton.runIfActive(work)
        }
        last = Task { _ = await mine.result }
        return try await mine.value
    }
}
