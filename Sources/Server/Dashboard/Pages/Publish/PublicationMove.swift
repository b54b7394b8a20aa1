import Engine
import HTTPTypes
import Kit
import Store

/// Another time for what is planned: the API's own change, from a field or from the calendar.
enum PublicationMove {
    /// Why a time cannot be, and one that can.
    struct Refused: Sendable {
        let at: String
        let why: [String]
        var free: String?
    }

    struct Form: Sendable {
        let action: String
        let version: Int64
        /// Where to go back to.
        let next: String
        let at: String
        let zone: String
        let faults: ComposeModel.Faults
        let isWrong: Bool
        let free: String?

        /// Nil for what cannot be moved any more, and for those who may not.
        init?(_ view: PublicationView, _ refused: Refused?, _ request: PageRequest) {
            guard request.mayAct, view.targets.allSatisfy({ $0.row.state == .scheduled }) else { return nil }
            action = "/publish/\(view.row.id)/when"
            version = view.row.version
            next = BrowserText.ownPath(request.form["next"] ?? "/publish/\(view.row.id)")
            at = refused?.at ?? request.reader.local.field(of: view.row.publishAt ?? request.now)
            zone = request.reader.zone
            faults = ComposeModel.Faults("at", refused.map { ["at": $0.why] } ?? [:])
            (isWrong, free) = (refused != nil, refused?.free)
        }
    }

    static let form = PageForm(path: "/publish/{id}/when") { request in
        let id = try request.id(PublicationKind.self)
        var typed = String((request.form["at"] ?? "").prefix(16))
        let moment: Timestamp
        if let text = request.form["moment"] {
            guard let exact = Timestamp(rfc3339: text) else { throw Problem(.invalidRequest, "moment is no time.") }
            (moment, typed) = (exact, request.reader.local.field(of: exact))
        } else {
            switch request.reader.local.moment(field: typed) {
            case .success(let found): moment = found
            case .failure: return try await again(Refused(at: typed, why: [request.words("compose.skipped")]), request)
            case nil: return try await again(Refused(at: typed, why: [request.words("compose.no_time")]), request)
            }
        }
        if let refused = try await full(id, at: moment, typed, request) { return try await again(refused, request) }
        var headers: HTTPFields = [:]
        headers[.ifMatch] = request.form["version"].map { "\"\($0)\"" }
        do {
            _ = try await request.perform(
                PublicationsAPI.update, path: ["id": id.text], body: ["publish_at": JSON(moment)], headers: headers)
        } catch let problem as Problem where problem.type == .preconditionFailed {
            return try await again(Refused(at: typed, why: [request.words("publish.changed")]), request)
        } catch let problem as Problem where [.invalidFields, .wrongState].contains(problem.type) {
            let why = problem.fields.isEmpty ? [problem.detail] : problem.fields.map(\.sentence)
            return try await again(Refused(at: typed, why: why), request)
        }
        return .seeOther(BrowserText.ownPath(request.form["next"]), note: "publication_moved")
    }

    private static func again(_ refused: Refused, _ request: PageRequest) async throws -> PageAnswer {
        .again(PublicationPage.page, try await PublicationPage.content(request, refused: refused))
    }

    /// Where an account can take no more until later than that.
    private static func full(
        _ id: ID<PublicationKind>, at moment: Timestamp, _ typed: String, _ request: PageRequest
    ) async throws -> Refused? {
        guard let publishing = request.app.hooks.publishing?.publishing else { return nil }
        let standing = try await request.app.hooks.quotas?.standing() ?? []
        let targets = try await request.app.database.read("move_targets") { session in
            try session.targets(of: [id]).map { ($0, try session.connection($0.connection)) }
        }
        for (target, connection) in targets {
            guard let publisher = publishing.publisher(target.provider) else { continue }
            let room = connection.flatMap { PostRoom(of: $0, publisher, target.options, standing) }
            guard let free = room?.fullUntil, free > moment else { continue }
            let account = connection.map { ConnectionWords.name($0, request.words) } ?? target.account
            let why = request.words("publish.full", ["account": account, "time": request.times.moment(free).text])
            // The field holds minutes.
            return Refused(
                at: request.reader.local.field(of: free + .minutes(1)), why: [why], free: request.words("publish.free"))
        }
        return nil
    }
}

extension FieldProblem {
    /// Below its field: `It is past.` What speaks for itself stays as it is.
    var sentence: String { problem.first?.isLowercase == true ? "It " + problem : problem }
}

/// What is left of the tightest quota of posts of a connection.
struct PostRoom: Sendable {
    let unit: String
    let limit: Int
    let left: Int
    /// Nil while something is left.
    let fullUntil: Timestamp?

    /// Nil where the platform declares none.
    init?(
        of connection: ConnectionRow, _ publisher: any Publisher, _ options: JSON, _ standing: [QuotaStanding]
    ) {
        let names = publisher.postQuotas(for: options)
        let account = CallContext.subject(ofAccount: connection.openID, through: connection.app.text)
        let own = standing.filter {
            $0.quota.provider == publisher.about.id && [account, connection.id.text].contains($0.subject)
                && names.contains($0.quota.quota.name)
        }
        let levels = own.flatMap { standing in standing.levels.map { (unit: standing.quota.quota.unit, level: $0) } }
        func left(_ level: QuotaLevel) -> Int { level.blockedUntil == nil ? max(0, level.share - level.used) : 0 }
        if let tightest = levels.min(by: { left($0.level) < left($1.level) }) {
            (unit, limit, self.left) = (tightest.unit, tightest.level.limit, left(tightest.level))
            fullUntil = self.left == 0 ? tightest.level.blockedUntil ?? tightest.level.nextFree : nil
            return
        }
        // Of which nothing is used yet.
        let declared = Providers.limited.first { $0.about.id == publisher.about.id }?.quotas
        guard let quota = declared?.first(where: { names.contains($0.name) }),
            let units = quota.limits.map(\.units).min()
        else { return nil }
        (unit, limit, self.left, fullUntil) = (quota.unit, units, units, nil)
    }
}
