/// A kind of data that a platform offers for an account: where it is kept, how it is asked for, how far a run reads.
///
/// A value: the engine asks by it, the tables, the API and the pages are made from it.
public struct SyncStream: Sendable {
    /// How far a run reads that is not to read everything.
    public enum Reach: Sendable, Equatable {
        /// All of it, each time: it is small.
        case whole
        /// The platform lists the newest first and knows no "since": pages until one holds a row as old as the
        /// newest one known. Rows of just that age are read again.
        case newestFirst
        /// The platform takes "since": what changed from that moment on, that moment included.
        case since
    }

    /// Rows by their ids, many in one call.
    public struct Lookup: Sendable {
        /// In one call.
        public let idsMax: Int
        /// Rows that the platform made so lately have their metrics fetched with every run.
        public let refreshes: Duration?
        /// What is not there, or not this account's, the answer leaves out.
        public let call: @Sendable (_ ids: [String], StreamQuestion) -> Call<[StreamRow]>

        public init(
            idsMax: Int, refreshes: Duration? = nil,
            call: @escaping @Sendable (_ ids: [String], StreamQuestion) -> Call<[StreamRow]>
        ) {
            precondition(idsMax > 0)
            self.idsMax = idsMax
            self.refreshes = refreshes
            self.call = call
        }
    }

    /// Where it is said how many rows there will be: a column of another stream of the same account.
    public struct Total: Sendable, Equatable {
        public let stream: String
        public let column: String
        public init(_ column: String, of stream: String) {
            self.stream = stream
            self.column = column
        }
    }

    /// Unique within a platform: `videos`.
    public let name: String
    /// What it is, for people: `The account's public videos.`
    public let what: String
    /// Without all of these nothing is asked.
    public let scopes: [String]
    public let table: RecordTable
    public let reach: Reach
    /// How often by itself.
    public var every = Duration.hours(6)
    /// How often all of it is listed, which is how deletions are found. Of `whole` every run is.
    public var listsAllEvery = Duration.days(1)
    /// Types of events after which there is something new.
    public var wokenBy: EventTypes = []
    public var lookup: Lookup?
    public var total: Total?
    /// A page of the list.
    public let list: @Sendable (StreamQuestion) -> Call<StreamPage>

    public init(
        _ name: String, _ what: String, scopes: [String], in table: RecordTable, reach: Reach,
        list: @escaping @Sendable (StreamQuestion) -> Call<StreamPage>
    ) {
        precondition(RecordColumn.isIdentifier(name), "a stream is named by lower-case letters, digits and _")
        precondition(reach != .newestFirst || table.time != nil, "what is newest is known by the rows' time")
        self.name = name
        self.what = what
        self.scopes = scopes
        self.table = table
        self.reach = reach
        self.list = list
    }
}

/// What a call for rows is made from.
public struct StreamQuestion: Sendable, Equatable {
    /// The platform's own id of the account.
    public let account: String
    /// What was granted: fields outside of it are not asked for.
    public let scopes: [String]
    /// From the page before; nil for the first.
    public var cursor: String?
    /// For platforms that take it (`Reach.since`).
    public var since: Timestamp?

    public init(account: String, scopes: [String], cursor: String? = nil, since: Timestamp? = nil) {
        self.account = account
        self.scopes = scopes
        self.cursor = cursor
        self.since = since
    }
}

/// A page of a platform's list.
public struct StreamPage: Sendable, Equatable {
    /// What comes behind it.
    public enum Next: Sendable, Equatable {
        case end
        case page(String)
        /// The platform says that there is more, and not where.
        case lost
    }

    public let rows: [StreamRow]
    public let next: Next

    public init(rows: [StreamRow], next: Next) {
        self.rows = rows
        self.next = next
    }
}

/// Offers data of accounts for sync.
public protocol Syncing: AccountCallable {
    var streams: [SyncStream] { get }
}
