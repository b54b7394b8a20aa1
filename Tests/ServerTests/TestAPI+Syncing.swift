import Engine
import Kit

@testable import Server
@testable import Store

extension TestAPI {
    /// What pages of streams need.
    static let syncing: @Sendable (any Database, Identifiers) -> Hooks = { _, ids in
        var hooks = Hooks()
        hooks.syncs = Syncs(Providers.syncBook, ids: ids)
        return hooks
    }

    /// An account that is connected and may be read.
    func connectAccount() async throws -> ConnectionRow {
        let (scopes, now) = (["user.info.basic", "user.info.stats", "video.list"], clock.now)
        let new = NewConnection(
            id: app.ids.make(), userID: "user-42", provider: "tiktok", app: TestAPI.appID, openID: "open-1",
            name: Personal("Rye & Salt"), scopes: scopes, wanted: scopes, isPending: false)
        return try await database.write("connect") { try $0.connect(new, at: now) }
    }
}
