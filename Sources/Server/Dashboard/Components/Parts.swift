/// A command to paste: what its button copies is its text.
struct Command: Sendable {
    /// `curl`, `CLI`; nil where it stands alone.
    let name: String?
    let text: String

    init(_ name: String?, _ text: String) {
        self.name = name
        self.text = text
    }
}

struct Link: Sendable {
    let label: String
    let href: String
    init(_ label: String, _ href: String) {
        self.label = label
        self.href = href
    }
}

/// A thing to do at the top of a page: a link, or a form that acts.
struct HeadAction: Sendable {
    struct HiddenField: Sendable {
        let name: String
        let value: String
    }
    let label: String
    let href: String
    var key: String?
    var isFirst = false
    var isDanger = false
    var isForm = false
    var fields: [HiddenField] = []

    init(_ label: String, _ href: String, key: String? = nil, isFirst: Bool = false) {
        self.label = label
        self.href = href
        self.key = key
        self.isFirst = isFirst
    }
}

/// An id in crumbs and tables: shortened to look at, whole to copy.
struct ShortID: Sendable {
    let whole: String
    let short: String

    /// `evt_01kb2c3d…1n2p`.
    init(_ whole: String, keeping head: Int = 13) {
        self.whole = whole
        short = whole.count > head + 6 ? "\(whole.prefix(head))…\(whole.suffix(4))" : whole
    }
}

/// What stands at the top of a page.
struct Head: Sendable {
    var crumbs: [Link] = [] { didSet { hasCrumbs = !crumbs.isEmpty } }
    private(set) var hasCrumbs = false
    var id: ShortID?
    var jack: Jack?
    let title: String
    var isCode = false
    var pill: Pill?
    /// The second sentence: numbers.
    var lede: String?
    var actions: [HeadAction] = [] { didSet { hasActions = !actions.isEmpty } }
    private(set) var hasActions = false

    init(_ title: String) { self.title = title }
}

/// Nothing is here: why, and what would bring something.
struct Empty: Sendable {
    let sentence: String
    var commands: [Command] = []
    var link: Link?
    init(_ sentence: String, commands: [Command] = [], link: Link? = nil) {
        self.sentence = sentence
        self.commands = commands
        self.link = link
    }
}

/// A choice that lives in the address.
struct Chip: Sendable {
    let label: String
    let href: String
    var isChosen = false
    var lamp: Lamp?
    var count: String?
}

/// The one filter field of a list, and its chips.
struct FilterModel: Sendable {
    let action: String
    let text: String
    let example: String
    let chips: [Chip]
    /// What in the field cannot be used.
    let problem: String?
}

/// The end of a list.
struct Ends: Sendable {
    let shown: String
    let newer: String?
    let older: String?
}

/// New rows that a list does not show by itself.
struct Fresh: Sendable {
    let href: String
    let label: String
}

/// One step of a timeline.
struct Step: Sendable {
    let lamp: Lamp
    let what: String
    var code: String?
    var why: String?
    /// At the right: a limit, a duration.
    var when: String?
    var time: TimeModel?
    init(_ state: LampState, _ what: String) {
        lamp = Lamp(state)
        self.what = what
    }
}

/// How far a long work is.
struct ProgressModel: Sendable {
    let state: String
    /// 0 to 100; nil where the whole is not known.
    let share: Int?
    let sentence: String
}
