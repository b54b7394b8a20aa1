/// First steps that tick themselves, on Now. Whoever runs the server gives them by `Hooks.checklist`.
public struct Checklist: Sendable {
    public struct Step: Sendable {
        public let what: String
        public let why: String?
        public let isDone: Bool
        /// Where to go for it: a path of ours.
        public let href: String?
        /// A form of ours that does it, with the word on its button.
        public let action: String?
        public let actionLabel: String?
        let lamp: Lamp

        public init(
            _ what: String, why: String? = nil, isDone: Bool, href: String? = nil, action: String? = nil,
            actionLabel: String? = nil
        ) {
            self.what = what
            self.why = why
            self.isDone = isDone
            self.href = href
            self.action = action
            self.actionLabel = actionLabel
            lamp = Lamp(isDone ? .ok : .todo)
        }
    }
    public let title: String
    public let steps: [Step]
    let done: String

    public init(_ title: String, _ steps: [Step]) {
        self.title = title
        self.steps = steps
        done = "\(steps.count { $0.isDone }) / \(steps.count)"
    }
}
