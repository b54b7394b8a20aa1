import Kit
import Store

/// A page, as a value: where it is, what draws it, what it follows, and its model.
///
/// A page's file has three parts: what is asked of the database, the model that tests check, the template's name.
struct Page: Sendable {
    /// `/events/{id}`.
    let path: String
    /// Which entry of the navigation it belongs to.
    let entry: NavEntry?
    /// A template that finds the model as its own members, and the frame's below.
    let template: String
    /// Templates whose output stands in the page in `data-live` of the same name: they are drawn anew while one looks.
    var fragments: [String] = []
    /// Types of changes after which the fragments may differ: `event.*`.
    var follows: [String] = []
    /// How often they are drawn anew although nothing in the feed says so; nil for never.
    var every: Duration?
    /// Whether what it shows at an address is too dear to be drawn anew while one looks: it stands as it was.
    var stands: @Sendable (PageRequest) -> Bool = { _ in false }
    /// Who may look: a page that is there to act is for those who may act.
    var needs = OperatorRow.Role.viewer
    let load: @Sendable (PageRequest) async throws -> PageContent

    /// Whether anything of it changes while one looks.
    var isLive: Bool { !follows.isEmpty || every != nil }

    /// The same at one address, for one visitor.
    func isLive(_ request: PageRequest) -> Bool { isLive && isOpen(to: request.visitor) && !stands(request) }

    /// Whether a visitor may look.
    func isOpen(to visitor: Visitor?) -> Bool { visitor.map { needs == .viewer || $0.isAdmin } ?? false }
}

/// What a page shows.
struct PageContent: Sendable {
    var head: Head
    let model: any Sendable
    /// The same as curl and as a command.
    var commands: [Command] = []
    var status = 200
    /// The address under which the page is drawn anew, where it is not the page's own.
    var liveTarget: String?

    init(_ head: Head, _ model: any Sendable, commands: [Command] = []) {
        self.head = head
        self.model = model
        self.commands = commands
    }
}

/// A form of a page: who may send it, and what it does.
struct PageForm: Sendable {
    /// `/events/{id}/replay`.
    let path: String
    var needs = OperatorRow.Role.admin
    /// Whether it may bring a file, which becomes an object: `object_id` of the form then.
    var takesFile = false
    let run: @Sendable (PageRequest) async throws -> PageAnswer
}

/// What comes of a form.
enum PageAnswer: Sendable {
    /// Look there; `note` is a key below `note.` in the words.
    case seeOther(String, note: String? = nil, cookies: [String] = [])
    /// The form once more, with what is wrong in it.
    case again(Page, PageContent)
    /// A document of the API, as a file to keep.
    case document(Answer)
}

/// Why a page is not shown, in the words of the pages.
enum PageProblem: Error, Sendable {
    /// Nothing is at this address.
    case notFound
    /// The operator's role does not reach.
    case forbidden
    /// The same where an admin may do it: by name.
    case needsAdmin([String])
    /// A form that this server's pages did not send.
    case foreignForm
    case tooBusy
    /// What was asked for has an address of its own.
    case elsewhere(String)
}

/// A place in the navigation.
enum NavEntry: String, Sendable, CaseIterable {
    case now, connections, sync, events, jobs, endpoints, quotas, publish, orders, payments, messages, review, users,
        system, api, sandbox

    var path: String {
        switch self {
        case .now: "/"
        case .api: "/docs"
        default: "/\(rawValue)"
        }
    }
    /// Whether this version does what the entry promises; the others stand greyed, and their pages teach.
    var isBuilt: Bool { !LaterPage.entries.contains(self) }
}
