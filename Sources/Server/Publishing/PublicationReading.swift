import Engine
import Kit
import Store

/// What a request wants published, checked as far as it can be without asking a platform.
struct PublicationReading: Sendable {
    let publishing: Publishing
    /// `content`, `media`, `publish_at`, as the schema of the request has them.
    let content: JSON
    let media: JSON

    /// A target as it was asked for.
    struct Wanted: Sendable {
        let connection: ConnectionRow?
        let options: JSON
        /// Of the request: `targets[0]`.
        let field: String
    }

    /// - Throws: `Problem` that names every fault at once.
    func wishes(_ wanted: [Wanted], _ session: Session) throws -> [Publishing.Wish] {
        var problems = mediaProblems
        var wishes: [Publishing.Wish] = []
        for target in wanted {
            guard let connection = target.connection, connection.deletedAt == nil else {
                problems.append(FieldProblem("\(target.field).connection_id", "There is no such connection."))
                continue
            }
            guard let publisher = publishing.publisher(connection.provider) else {
                problems.append(
                    FieldProblem("\(target.field).connection_id", "Nothing can be published at \(connection.provider).")
                )
                continue
            }
            problems += standing(connection, publisher, target)
            let options = optionProblems(target, publisher)
            problems += options
            guard options.isEmpty else { continue }
            let post = publishing.placed(
                try session.post(
                    content: content, media: media, options: target.options, account: connection.openID),
                at: connection.provider)
            problems += publisher.problems(in: post).map { problem in
                let isOption = problem.field.hasPrefix("options")
                return FieldProblem(isOption ? "\(target.field).\(problem.field)" : problem.field, problem.message)
            }
            wishes.append(Publishing.Wish(connection: connection, options: target.options, post: post))
        }
        guard problems.isEmpty else { throw Problem(.invalidFields, problems.uniqued) }
        return wishes
    }

    /// One place a medium.
    private var mediaProblems: [FieldProblem] {
        (media.elements ?? []).enumerated().flatMap { index, medium -> [FieldProblem] in
            (medium["object_id"] == nil) == (medium["url"] == nil)
                ? [FieldProblem("media[\(index)]", "It takes object_id or url, one of them.")] : []
        }
    }

    private func standing(
        _ connection: ConnectionRow, _ publisher: any Publisher, _ target: Wanted
    ) -> [FieldProblem] {
        guard connection.health.isAlive else {
            return [
                FieldProblem(
                    "\(target.field).connection_id", "The connection is \(connection.state.rawValue). Connect it again."
                )
            ]
        }
        let missing = publisher.scopes(for: target.options).filter { !connection.scopes.contains($0) }
        return missing.isEmpty
            ? []
            : [
                FieldProblem(
                    "\(target.field).connection_id",
                    "The account's owner has not allowed \(missing.joined(separator: ", ")). Connect it again."
                )
            ]
    }

    /// The options that a platform knows, by name and kind.
    private func optionProblems(_ target: Wanted, _ publisher: any Publisher) -> [FieldProblem] {
        (target.options.members ?? []).compactMap { member in
            let field = "\(target.field).options.\(OutsideText.bounded(member.name, 64))"
            guard let option = publisher.postOptions.first(where: { $0.name == member.name }) else {
                return FieldProblem(
                    field,
                    "\(publisher.about.name) has no such option. It has "
                        + publisher.postOptions.map(\.name).joined(separator: ", ") + ".")
            }
            return option.problem(in: member.value).map { FieldProblem(field, $0) }
        }
    }
}

extension PostOption {
    /// Why a value cannot be this option's; nil when it can.
    fileprivate func problem(in value: JSON) -> String? {
        switch kind {
        case .words(let words):
            value.text.map(words.contains) == true ? nil : "must be one of \(words.joined(separator: ", "))."
        case .flag: value.boolean != nil ? nil : "must be true or false."
        case .whole(let range):
            value.integer.map(range.contains) == true
                ? nil : "must be a whole number from \(range.lowerBound) to \(range.upperBound)."
        case .text(let most):
            (value.text?.utf16.count).map { $0 <= most } == true ? nil : "must be a text of at most \(most) characters."
        }
    }
}

extension [FieldProblem] {
    /// Of several targets at one platform each says the same of the content.
    fileprivate var uniqued: [FieldProblem] {
        reduce(into: []) { kept, problem in if !kept.contains(problem) { kept.append(problem) } }
    }
}
