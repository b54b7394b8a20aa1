public import Kit
public import Logging
public import Store

/// Takes a grant back at the platform, and before it the webhooks that were ordered with it, then forgets its tokens;
/// forgets them after twelve hours even if the platform
/// does not answer, or what is needed to ask does not open.
public struct RevokeWorker: JobWorker {
    public static let kind = "connection.revoke"

    public var kind: String { Self.kind }
    /// Longer than it is tried: the last word is the worker's own.
    public var retries: RetryPolicy { RetryPolicy(attemptsMax: 100, givesUpAfter: .days(1)) }
    private static let triedFor = Duration.hours(12)
    private let platforms: [String: any Connectable]
    private let apps: ConnectionApps
    private let desk: TokenDesk
    private let subscribing: AccountSubscribing?
    private let database: any Database
    private let vault: Vault
    private let time: TimeSource
    private let logger: Logger

    public init(
        platforms: [String: any Connectable], apps: ConnectionApps, desk: TokenDesk,
        subscribing: AccountSubscribing? = nil, database: any Database, vault: Vault, time: TimeSource, logger: Logger
    ) {
        self.subscribing = subscribing
        self.platforms = platforms
        self.apps = apps
        self.desk = desk
        self.database = database
        self.vault = vault
        self.time = time
        self.logger = logger
    }

    static func job(_ id: ID<JobKind>, _ connection: ID<ConnectionKind>, at now: Timestamp) -> NewJob {
        NewJob(
            id: id, kind: kind, lane: Lane(connection.text, .event), dueAt: now, createdAt: now,
            input: Array(connection.text.utf8), subject: connection.text, uniqueKey: "revoke/\(connection)")
    }

    private struct Unanswered: Error, CustomStringConvertible {
        let description = "The platform gave no answer, or what is needed to ask it does not open."
    }

    public func run(_ job: ClaimedJob) async throws -> JobResult {
        let id = ID<ConnectionKind>(stored: String(decoding: job.input, as: UTF8.self))
        let found = try await database.read("revoking") { session in
            try session.credential(of: id).map { ($0, try session.isConnectedAnew($0)) }
        }
        guard let (held, isConnectedAnew) = found, held.revokingAt != nil else { return .done }
        // To take it back would take it from the one that stands in its place.
        if !isConnectedAnew, try await !revoke(held) {
            guard let since = job.firstFailedAt, time.now() - since >= Self.triedFor else { throw Unanswered() }
            logger.warning("connection.not_revoked", metadata: ["connection": "\(id)", "provider": "\(held.provider)"])
        }
        _ = try await database.write("drop_credential", in: .work) { try $0.dropCredential(of: id) }
        return .done
    }

    private func revoke(_ held: CredentialRow) async throws -> Bool {
        guard let platform = platforms[held.provider] else { return true }
        do {
            let opened = try vault.open(held)
            if let subscribing, await !subscribing.remove(of: held, with: opened.access) { return false }
            // Without an app there is nobody to ask as.
            guard let client = try await apps.credentials(of: held.app, at: held.provider) else { return true }
            return await desk.revoke(held.tokens(opened), at: platform, as: client, for: held.id)
        } catch is VaultProblem {
            return false  // A key may be missing for now.
        }
    }
}
