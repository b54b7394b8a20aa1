import AsyncHTTPClient
import DashboardFiles
import Engine
import Hummingbird
import Kit
import Mustache
import NIOCore
import NIOHTTP1
import Synchronization

/// "Rye, a bakery": a small application as anyone would write it, to see what Patchbay sends.
///
/// On loopback, for the demo. It believes signed webhooks only, and takes forms from its own page only.
public struct BakeryApplication: Sendable {
    private let port: Int
    private let sandbox: String
    private let dashboard: String
    private let shop: BakeryShop
    private let library: MustacheLibrary

    private static let membersShown = 24

    /// - Parameters:
    ///   - folder: the demo's: the endpoint's secret is there, and the members are kept there.
    ///   - sandbox: the sandbox's control address, for the story's pace.
    ///   - dashboard: the server's address.
    /// - Throws: where a template of ours cannot be read.
    public init(port: Int, folder: String, sandbox: String, dashboard: String) throws {
        self.port = port
        self.sandbox = sandbox
        self.dashboard = dashboard
        shop = BakeryShop(folder: folder)
        var library = MustacheLibrary()
        for (name, bytes) in DashboardFiles.bakeryTemplates {
            try library.register(String(decoding: bytes, as: UTF8.self), named: name)
        }
        self.library = library
    }

    public func run() async throws {
        let responder = CallbackResponder { (request: Request, _: BasicRequestContext) in
            try await respond(to: request)
        }
        let application = Application(
            responder: responder, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: .silent)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await application.runService() }
            group.addTask {
                while (try? await Task.sleep(for: .seconds(1))) != nil { shop.save() }  // Ends with the task.
            }
            try await group.next()
            group.cancelAll()
        }
        shop.save()
    }

    private func respond(to request: Request) async throws -> Response {
        guard OwnMachine.isNamed(request) else { return Response(status: .forbidden) }
        switch (request.method.rawValue, request.uri.path) {
        case ("POST", "/hooks"): return try await takeWebhook(request)
        case ("GET", "/"): return Self.html(library.render(await page(), withTemplate: "bakery") ?? "")
        case ("GET", "/state"): return Response.json(200, await state(since: request))
        case ("GET", "/bakery.css"): return Self.file("text/css; charset=utf-8", DashboardFiles.bakeryStyle)
        case ("GET", "/bakery.js"): return Self.file("text/javascript; charset=utf-8", DashboardFiles.bakeryScript)
        case ("GET", "/favicon.svg"): return Self.file("image/svg+xml", DashboardFiles.bakeryIcon)
        case ("GET", "/verify.py"): return Self.file("text/plain; charset=utf-8", DashboardFiles.verifying.python)
        case ("POST", "/story"): return try await form(request) { try await setStory($0) }
        case ("POST", "/failing"): return try await form(request) { shop.fail($0["failing"] == "true") }
        default: return Response(status: .notFound)
        }
    }

    // MARK: Webhooks

    private static let webhookMax = 1 << 20

    private func takeWebhook(_ request: Request) async throws -> Response {
        let body = try await request.body.collect(upTo: Self.webhookMax)
        let delivery = Delivery(
            method: "POST", target: "/hooks", headers: request.headers.map { Field($0.name.rawName, $0.value) },
            body: Array(body.readableBytesView), receivedAt: Timestamp.system)
        return Response(status: .init(code: shop.take(delivery)))
    }

    // MARK: Forms

    /// Of this page only; JSON or as browsers write forms.
    private func form(_ request: Request, _ act: ([String: String]) async throws -> Void) async throws -> Response {
        guard OwnMachine.isOwnForm(request) else { return Response(status: .forbidden) }
        let bytes = Array(try await request.body.collect(upTo: 4096).readableBytesView)
        var fields: [String: String] = [:]
        if request.headers[.contentType]?.hasPrefix("application/json") == true {
            let members = (try? JSON.parse(bytes))?.members ?? []  // No JSON: nothing is said.
            for member in members {
                fields[member.name] =
                    member.value.text ?? member.value.numberText ?? member.value.boolean.map(String.init)
            }
        } else {
            fields = BrowserText.fields(String(decoding: bytes, as: UTF8.self))
        }
        try await act(fields)
        if request.headers[.accept]?.contains("text/html") == true {
            return Response(status: .seeOther, headers: [.location: "/"])
        }
        return Response(status: .noContent)
    }

    private func setStory(_ fields: [String: String]) async throws {
        var wish: [JSONMember] = []
        if let position = fields["position"].flatMap(Double.init), (0...100).contains(position) {
            let rate = StoryPace.rate(at: position)
            wish = [JSONMember("rate", .number("\(rate)")), JSONMember("paused", .bool(rate == 0))]
        }
        if let paused = fields["paused"] { wish = [JSONMember("paused", .bool(paused == "true"))] }
        var request = HTTPClientRequest(url: sandbox + "/story")
        request.method = .PUT
        request.body = .bytes(ByteBuffer(bytes: JSON.object(wish).bytes))
        _ = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
    }

    private func story() async -> StoryPace {
        let request = HTTPClientRequest(url: sandbox + "/story")
        guard let answer = try? await HTTPClient.shared.execute(request, timeout: .seconds(2)),
            let body = try? await answer.body.collect(upTo: 4096),
            let json = try? JSON.parse(Array(body.readableBytesView))
        else { return StoryPace(rate: 0, isPaused: true) }  // The sandbox is down: nothing happens.
        return StoryPace(
            rate: json["rate"]?.numberText.flatMap(Double.init) ?? 0, isPaused: json["paused"]?.boolean ?? true)
    }

    // MARK: Pages

    private func page() async -> BakeryPage {
        BakeryPage(shop.view(limit: Self.membersShown), await story(), dashboard: dashboard)
    }

    /// What the script puts in place: nothing but the version where that is known already.
    private func state(since request: Request) async -> JSON {
        let page = await page()
        let head: [JSONMember] = [
            JSONMember("version", JSON(page.version)), JSONMember("failing", .bool(page.isFailing)),
            JSONMember("position", JSON(Int64(page.pace.position))), JSONMember("pace", .string(page.pace.sentence)),
            JSONMember("paused", .bool(page.pace.isPaused)),
        ]
        let known = BrowserText.fields(request.uri.query ?? "")["since"]
        guard known != String(page.version) else { return .object(head) }
        let fragments = ["members", "news", "counts", "health"].map { name in
            JSONMember(name, .string(library.render(page, withTemplate: name) ?? ""))
        }
        return .object(head + [JSONMember("fragments", .object(fragments))])
    }

    private static func html(_ text: String) -> Response {
        var headers = Dashboard.headers
        headers[.contentType] = "text/html; charset=utf-8"
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    private static func file(_ type: String, _ bytes: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: type, .contentTypeOptions: "nosniff", .cacheControl: "no-cache"],
            body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
