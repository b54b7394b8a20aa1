public import Kit

/// Everything that can be synced, by platform.
public struct SyncBook: Sendable {
    /// A stream and whose it is.
    public struct Entry: Sendable {
        public let provider: About
        public let stream: SyncStream
        /// `tiktok.videos`.
        public var name: String { "\(provider.id).\(stream.name)" }
    }

    public let entries: [Entry]

    public init(_ sources: [any Syncing]) {
        entries = sources.flatMap { source in source.streams.map { Entry(provider: source.about, stream: $0) } }
        let tables = entries.flatMap { [$0.stream.table.name] + ($0.stream.table.history.map { [$0] } ?? []) }
        precondition(Set(tables).count == tables.count, "no two streams share a table")
        precondition(Set(entries.map(\.name)).count == entries.count, "no two streams have one name")
    }

    public func streams(of provider: String) -> [SyncStream] {
        entries.filter { $0.provider.id == provider }.map(\.stream)
    }
    public func stream(_ name: String, of provider: String) -> SyncStream? {
        entries.first { $0.provider.id == provider && $0.stream.name == name }?.stream
    }
    /// By `tiktok.videos`.
    public func entry(_ name: String) -> Entry? { entries.first { $0.name == name } }
    public var names: [String] { entries.map(\.name) }
    public var tables: [RecordTable] { entries.map(\.stream.table) }
    public func tables(of provider: String) -> [RecordTable] { streams(of: provider).map(\.table) }
    public var providers: [String] { Array(Set(entries.map(\.provider.id))).sorted() }
    public func platform(_ id: String) -> String { entries.first { $0.provider.id == id }?.provider.name ?? id }

    /// How many rows a stream will have, where another stream of the account says so.
    public func total(of stream: SyncStream, at provider: String) -> (table: RecordTable, column: String)? {
        guard let total = stream.total, let other = self.stream(total.stream, of: provider) else { return nil }
        return (other.table, total.column)
    }
}
