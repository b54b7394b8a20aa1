import Engine
import Kit

/// What is synced of each platform, for those who do not ask a server.
public enum SyncedStreams {
    /// `profile`, `videos`: empty where nothing is.
    public static func of(_ provider: String) -> [String] { Providers.syncBook.streams(of: provider).map(\.name) }
}
