import Kit

/// A platform that the sandbox simulates: its answers, its webhooks, what falls due. The frame has the rest: faults,
/// clock, sending, effects, file, reset, seed.
protocol Platform: Sendable {
    /// As everywhere in the product: `stripe`.
    var id: String { get }
    /// How its webhooks are signed and written.
    var webhooks: WebhookScheme { get }
    /// Sample events, by type.
    var samples: [Sample] { get }

    /// The hosts that it is at the platform itself, the one of its API first: each has a port of its own.
    var hosts: [String] { get }
    /// The names of the keys that it can be given at the start.
    var keyNames: [String] { get }
    /// What can be set while it runs.
    var settings: [PlatformSetting] { get }
    /// What people do there who are no client's: take their consent back, delete a post.
    var acts: [String] { get }

    /// What a client must be told to use it, such as keys.
    /// - Parameter bases: where its hosts are served, in their order.
    func introduction(in world: World, at bases: [String]) -> JSON
    /// What there is in a new world: a webhook endpoint with this address, where one is asked for.
    func furnish(_ world: World, _ furniture: Furniture)
    /// The same furniture, with the keys that clients have been told.
    func keys(in world: World, _ furniture: Furniture) -> Furniture

    /// How the body of a request is taken, known from its head.
    func intake(_ head: SandboxRequest, in world: World) -> Intake
    /// Answers one request. Runs within a turn; what it throws rolls the turn back.
    /// - Parameter failing: a failure that must be the answer although the work was done.
    func answer(_ request: SandboxRequest, in world: World, failing: FailureWish?) throws(Refused) -> SandboxAnswer
    /// An answer of this status, in the platform's own shape, by somebody who looked no further than at the address.
    func failure(_ wish: FailureWish, of request: SandboxRequest) -> SandboxAnswer
    /// What two requests at once must share to be twins, and what the second is told.
    func twin(_ request: SandboxRequest) -> (key: String, answer: SandboxAnswer)?

    /// Something that the platform has put on the schedule is due.
    func due(_ key: String, in world: World)
    /// What came of files that it let the sandbox fetch.
    func fetched(_ id: String, _ files: [FetchedFile], in world: World)
    /// Does one of its acts. What came of it.
    /// - Throws: `BadControl` that says what is missing; nothing is done then.
    func perform(_ act: String, _ said: JSON, in world: World) throws(BadControl) -> JSON

    /// What is sent to one of its endpoints for an event, signed now; nil where either is gone.
    /// - Parameter time: the real one, whatever the sandbox's says: receivers compare it with theirs.
    func webhook(_ event: String, to endpoint: String, in world: World, at time: Timestamp) -> OutgoingWebhook?
    /// The endpoints that take events of this type.
    func endpoints(for type: String, in world: World) -> [String]
    /// A new secret for an endpoint, the first one where none is named; the old one signs too until then. Nil where
    /// there is no such endpoint.
    func roll(_ endpoint: String?, oldUntil time: Timestamp, in world: World) -> (endpoint: String, secret: String)?
    /// Keeps a sample as an event of its own. Its id.
    func keep(_ event: JSON, in world: World) -> String

    /// One act of the story: somebody signs up, renews, leaves. The acts draw from the stream `story`.
    func act(in world: World)
    /// What requests with idempotency keys have brought about, by key: how often each effect.
    func effectsByKey(in world: World) -> JSON
    /// A few numbers for a person: how many of what.
    func summary(of world: World) -> JSON
}

/// What most platforms do not have.
extension Platform {
    var hosts: [String] { ["api"] }
    var settings: [PlatformSetting] { [] }
    var acts: [String] { [] }
    func intake(_ head: SandboxRequest, in world: World) -> Intake { .whole(atMost: Intake.usualMax) }
    func fetched(_ id: String, _ files: [FetchedFile], in world: World) {}
    func perform(_ act: String, _ said: JSON, in world: World) throws(BadControl) -> JSON { .null }
}

/// How a request shall fail.
struct FailureWish: Sendable {
    let status: Int
    /// The platform's own code, where it is not the usual one of the status.
    var code: String?
}

/// What a new world begins with, for one platform.
public struct Furniture: Sendable {
    /// Where webhooks go at first.
    public var webhookURL: String?
    /// Types that are sent there; `*` for all.
    public var webhookTypes: [String] = ["*"]
    /// Keys that clients shall use, by the names under which the platform's introduction tells them; the others are
    /// drawn.
    public var keys: [String: String] = [:]

    public init(webhookURL: String? = nil, webhookTypes: [String] = ["*"], keys: [String: String] = [:]) {
        self.webhookURL = webhookURL
        self.webhookTypes = webhookTypes
        self.keys = keys
    }
}

/// A request that is refused without any effect.
struct Refused: Error { let answer: SandboxAnswer }

/// An HTTP request to a simulated platform.
struct SandboxRequest: Sendable {
    let method: String
    /// Still percent-encoded, without the query.
    let path: String
    let query: String
    let headers: [Field]
    var body: [UInt8] = []
    /// Where this host of the platform is served, without a slash at the end.
    let base: String
    /// Which of the platform's hosts was asked.
    var host = "api"
    /// What came of a body that was not kept.
    var upload: Upload?
}

/// An answer of a simulated platform.
struct SandboxAnswer: Sendable {
    var status: Int
    var headers: [Field]
    var body: [UInt8]

    init(_ status: Int, _ json: JSON, headers: [Field] = []) {
        self.status = status
        self.headers = [Field("Content-Type", "application/json")] + headers
        body = json.bytes
    }
    init(_ status: Int, html: String) {
        self.status = status
        headers = [Field("Content-Type", "text/html; charset=utf-8")]
        body = Array(html.utf8)
    }
    init(_ status: Int) {
        self.status = status
        headers = []
        body = []
    }
}

/// A webhook that is ready to go.
struct OutgoingWebhook: Sendable {
    let url: String
    let headers: [Field]
    var body: [UInt8]

    /// The same with a body that the signature does not cover: the same JSON and a blank.
    var forged: Self {
        var copy = self
        copy.body.append(0x20)
        return copy
    }
}
