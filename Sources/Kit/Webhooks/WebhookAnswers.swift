/// What a platform is told, where a status alone is not what it wants.
public struct WebhookAnswers: Sendable, Equatable {
    /// Of what is on disk, repetitions included, with status 200. Nil: an empty body.
    public let kept: WebhookAnswer?
    /// The status that makes the platform send what could not be kept again; 503 wherever nothing else is documented.
    public let again: Int

    public init(kept: WebhookAnswer? = nil, again: Int = 503) {
        self.kept = kept
        self.again = again
    }
}

/// A body with its type.
public struct WebhookAnswer: Sendable, Equatable {
    public let type: String
    public let body: [UInt8]

    public init(_ type: String, _ body: some Sequence<UInt8>) {
        self.type = type
        self.body = Array(body)
    }
}
