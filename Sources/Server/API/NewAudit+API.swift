import Kit
import Store

extension NewAudit {
    /// An act of a caller of the API.
    init(_ id: ID<AuditKind>, _ action: String, _ subject: String?, by request: APIRequest, detail: JSON = .object([]))
    {
        self.init(id: id, at: request.now, actor: request.caller.id, action: action, subject: subject, detail: detail)
    }
}
