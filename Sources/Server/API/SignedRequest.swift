import Engine
import Hummingbird
import Kit
import Store

/// A request by a signed address: without a key, on behalf of the key that made the address.
enum SignedRequest {
    /// The last parts of a signed query.
    static let parameters = [
        Parameter("expires", .integer(0...253_402_300_799), "Of a signed address: until when it is good."),
        Parameter("by", .id(KeyKind.self), "Of a signed address: the key that made it."),
        Parameter("signature", .line(1...256), "Of a signed address: stands last, and covers all before it."),
    ]

    /// Pages anywhere may use an address that was given to them: it says all that it allows, and no cookie counts.
    static let headers = [
        Field("Access-Control-Allow-Origin", "*"), Field("Access-Control-Expose-Headers", "ETag, Content-Range"),
    ]

    /// A key counts more than a signature.
    static func isOne(_ request: Request, of action: Action) -> Bool {
        action.isSignable && request.headers[.authorization] == nil
            && request.uri.query?.contains("signature=") == true
    }

    /// What browsers ask before they send what is no plain form.
    static let preflights = Set(Routes.all.filter(\.action.isSignable).flatMap(\.templates)).sorted().map { template in
        let methods = Set(Routes.all.filter { $0.templates.contains(template) }.map(\.method))
        let allowed = methods.union(methods.contains("GET") ? ["HEAD"] : []).sorted().joined(separator: ", ")
        return OtherRoute("OPTIONS", template) { request, _ in
            guard request.headers[.accessControlRequestMethod] != nil else {
                var problem = Problem(.methodNotAllowed, "Browsers ask so before they send, and name what they will.")
                problem.headers = [Field("Allow", allowed)]
                throw problem
            }
            var answer = Answer(status: 204)
            answer.headers =
                headers + [
                    Field("Access-Control-Allow-Methods", "GET, HEAD, PUT"),
                    Field("Access-Control-Allow-Headers", "Content-Type, If-Match, If-None-Match, If-Range, Range"),
                    Field("Access-Control-Max-Age", "600"),
                ]
            return Response(answer)
        }
    }
}

extension App {
    /// Whose request by a signed address it is.
    func signedCaller(of request: Request, _ action: Action) async throws -> Caller {
        let query = request.uri.query ?? ""
        let fields = try QueryReader(action.query).read(query)
        let method = request.method == .head ? "GET" : request.method.rawValue
        guard let addresses = hooks.signedAddresses,
            let path = PercentEncoding.decode(request.uri.path, plusIsBlank: false),
            addresses.accepts(method, path, query: query)
        else { throw Problem(.addressRefused, "A part of the address was changed, or it was not made here.") }
        guard let end = fields["expires"]?.integer, now() < Timestamp(seconds: end) else {
            throw Problem(.addressRefused, "The time of the address is over. Ask for a new one.")
        }
        let maker = ID<KeyKind>(stored: fields["by"]?.text ?? "")
        guard let row = try await database.read("signing_key", { try $0.keyRow(maker) }), row.isActive(at: now()) else {
            throw Problem(.addressRefused, "The API key that made the address is no longer active.")
        }
        return Caller(
            id: row.id.text, name: row.name, scopes: row.scopes.compactMap { Scope($0) }, version: APIVersion.current,
            owner: row.family.text)
    }
}

/// Makes signed addresses.
enum PresignAPI {
    static let presign = Action(
        "presignObject", "Make a signed address of an object",
        notes:
            "Whoever has it may do this one thing until its time is over, without an API key: a platform that fetches "
            + "media, a browser that uploads. It ends with the key that made it. Give it to nobody else.",
        .needs(.read, "objects"),
        body: .named(
            "PresignRequest",
            .object([
                .required(
                    "method", .words(["GET", "PUT"]), "To read it, or to put a file there; that needs a key that may."),
                .required("key", ObjectKey.orID.schema, "The object's key; to read it, its id does as well."),
                .optional(
                    "valid_for", .integer(1...SignedAddresses.lifeMax.microseconds / 1_000_000),
                    "For how many seconds; 900 unless said, 604800 (7 days) at most."),
                .optional("content_type", Schema.line(1...128).orNull, "Of a PUT: the only type that it may declare."),
                .optional(
                    "size_max", Schema.integer(1...ObjectStore.sizeMax).orNull, "Of a PUT: as many bytes at most."),
                .optional("user_id", Schema.line(1...256).orNull, "Of a PUT: whose the object is."),
            ])),
        answers: [
            .ok(
                "The address.",
                .named(
                    "SignedAddress",
                    .object([
                        .required("url", .text(), "The address."),
                        .required("method", .words(["GET", "PUT"]), "For this."),
                        .required("expires_at", .time, "Until when it is good."),
                    ])))
        ], problems: [.notFound, .notSetUp]
    ) { request in
        _ = try request.objects
        guard let addresses = request.app.hooks.signedAddresses else {
            throw Problem(.notSetUp, "Addresses are signed with a key of the vault. Set PATCHBAY_ENCRYPTION_KEYS.")
        }
        let (body, now) = (request.body, request.now)
        let (method, key) = (body["method"]?.text ?? "", body["key"]?.text ?? "")
        let path = try path(method, key, request)
        let end = now + .seconds(body["valid_for"]?.integer ?? 900)
        var query = ["expires=\(end.microseconds / 1_000_000)", "by=\(request.caller.id)"]
        for name in ["content_type", "size_max", "user_id"] {
            guard let value = body[name], value != .null else { continue }
            guard method == "PUT" else {
                throw Problem(.invalidFields, [FieldProblem(name, "is said of a PUT only.")])
            }
            let text = value.text ?? value.integer.map { String($0) } ?? ""
            query.append("\(name)=\(PercentEncoding.encode(text))")
        }
        guard let signed = addresses.signed(method, path, query: query.joined(separator: "&")) else {
            throw Problem(.notSetUp, "Addresses are signed with a key of the vault. Set PATCHBAY_ENCRYPTION_KEYS.")
        }
        let written = path.split(separator: "/").map { PercentEncoding.encode(String($0)) }.joined(separator: "/")
        let base = SettingsRules.base(request.app.settings)
        return .json(200) { writer in
            writer.object { writer in
                writer.member("url", .string("\(base)/\(written)?\(signed)"))
                writer.member("method", .string(method))
                writer.member("expires_at", JSON(Timestamp(seconds: end.microseconds / 1_000_000)))
            }
        }
    }

    private static func path(_ method: String, _ key: String, _ request: APIRequest) throws(Problem) -> String {
        let isID = ID<ObjectKind>(key) != nil
        guard method == "PUT" else { return "/v1/objects/\(key)" + (isID ? "/content" : "") }
        guard !isID else { throw Problem(.invalidFields, [FieldProblem("key", "is an id. Files are put under keys.")]) }
        guard request.caller.may(.write, "objects") else {
            throw Problem(.insufficientScope, "An address to PUT needs a key with the scope objects:write.")
        }
        return "/v1/objects/\(key)"
    }
}
