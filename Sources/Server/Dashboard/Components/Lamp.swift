/// The states that a page knows: shape, word and colour, in this order of weight.
enum LampState: String, Sendable, CaseIterable {
    case ok, running, waiting, needs, failed, unknown, paused, todo
}

/// A lamp: decoration beside its word, or with a name where it stands alone.
struct Lamp: Sendable {
    let state: String
    let shape: String
    let label: String?

    init(_ state: LampState, label: String? = nil) {
        self.state = state.rawValue
        shape = Self.shapes[state] ?? ""
        self.label = label
    }

    /// As in tokens.json; a test compares.
    static let shapes: [LampState: String] = [
        .ok: #"<circle cx="8" cy="8" r="4.75" fill="currentColor"/><circle cx="8" cy="8" r="7" fill="none" "#
            + #"stroke="currentColor" stroke-opacity=".3" stroke-width="1.5"/>"#,
        .running: #"<circle cx="8" cy="8" r="2.75" fill="currentColor"/><path d="M8 1.5a6.5 6.5 0 1 1-6.5 6.5" "#
            + #"fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round"/>"#,
        .waiting: #"<circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.75"/>"#
            + #"<path d="M8 4.75V8l2.25 1.5" fill="none" stroke="currentColor" stroke-width="1.75" "#
            + #"stroke-linecap="round" stroke-linejoin="round"/>"#,
        .needs: #"<path d="M8 .9 15.1 8 8 15.1.9 8Z" fill="currentColor" stroke="currentColor" stroke-width="1" "#
            + #"stroke-linejoin="round"/><path d="M8 4.6v4.2M8 11.2v.1" stroke="var(--panel)" stroke-width="1.75" "#
            + #"stroke-linecap="round"/>"#,
        .failed: #"<rect x="1.5" y="1.5" width="13" height="13" rx="3.5" fill="currentColor"/>"#
            + #"<path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" stroke="var(--panel)" stroke-width="1.75" "#
            + #"stroke-linecap="round"/>"#,
        .unknown: #"<circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5" "#
            + #"stroke-dasharray="2.6 1.48"/><path d="M6.2 6.4a1.85 1.85 0 1 1 2.7 1.75c-.6.3-.9.6-.9 1.1M8 11.4v.1" "#
            + #"fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/>"#,
        .paused: #"<path d="M5.5 3.5v9M10.5 3.5v9" stroke="currentColor" stroke-width="2.5" stroke-linecap="round"/>"#,
        .todo: #"<circle cx="8" cy="8" r="4.500" fill="none" stroke="currentColor" stroke-width="1.500"/>"#,
    ]
}

/// Lamp and word, and a time where one belongs to it.
struct Pill: Sendable {
    let state: String
    let shape: String
    let word: String
    let time: TimeModel?
    /// Without a wash, in dense tables.
    let isBare: Bool
    let label: String? = nil

    init(_ state: LampState, _ word: String, time: TimeModel? = nil, isBare: Bool = false) {
        self.state = state.rawValue
        shape = Lamp.shapes[state] ?? ""
        self.word = word
        self.time = time
        self.isBare = isBare
    }
}

/// A platform or account: two letters, and a ring where there is a credential whose state it shows.
struct Jack: Sendable {
    let letters: String
    /// Empty for 20, `m` for 28, `l` for 36 pixels.
    let size: String
    let state: String
    let hasRing: Bool

    init(_ name: String, size: String = "", state: LampState? = nil) {
        letters = Self.letters(of: name)
        self.size = size
        self.state = state?.rawValue ?? ""
        hasRing = state != nil
    }

    /// `Stripe` is St, `Standard Webhooks` Sw, `X` X.
    static func letters(of name: String) -> String {
        let parts = name.split { $0 == " " || $0 == "-" || $0 == "_" }
        guard let first = parts.first?.first else { return "?" }
        let second = parts.count > 1 ? parts[1].first : parts[0].dropFirst().first
        return first.uppercased() + (second.map { $0.lowercased() } ?? "")
    }
}
