import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// Walks the dashboard as an operator does: every page that a link leads to, a few of each kind, its live stream,
/// and the documentation.
struct CanaryPages {
    struct Shown {
        let path: String
        let text: Data
    }

    /// Pages of one kind, and all together.
    private static let ofKindMax = 5
    private static let pagesMax = 400
    /// Pages of the house, whether a link leads there or not.
    private static let doors = [
        "/", "/events", "/events?filter=state:refused", "/jobs", "/review", "/endpoints", "/endpoints/new", "/users",
        "/system", "/system/alerts", "/system/nodes", "/system/keys", "/system/apps", "/system/operators",
        "/system/audit", "/system/storage", "/system/settings", "/account", "/search?q=evt_0_1", "/search?q=u_known",
        "/trace/u_known", "/docs", "/docs/errors", "/docs/sent", "/nowhere",
    ]

    let server: ServerProcess

    /// - Parameter environment: of the command line, which makes the operator.
    func walk(environment: [String: String]) async throws -> [Shown] {
        let name = "canary-keeper"
        _ = try CommandLineRun(["operators", "add", name, "--role", "admin"], environment: environment)
        let link = try CommandLineRun(["operators", "sign-in-link", name], environment: environment)
        guard let path = link.output.split(separator: "\n").last.flatMap({ URL(string: String($0))?.path }) else {
            throw ServerDied(log: "sign-in-link: \(link.output)")
        }
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
        do {
            let door = try await client.execute(request(path, cookie: nil), timeout: .seconds(20))
            guard let cookie = door.headers["set-cookie"].first?.split(separator: ";").first else {
                throw ServerDied(log: "no session: \(door.status)")
            }
            let shown = try await pages(client, cookie: String(cookie))
            try await client.shutdown()
            return shown
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    private func pages(_ client: HTTPClient, cookie: String) async throws -> [Shown] {
        var shown: [Shown] = []
        var (waiting, seen, kinds) = (Self.doors, Set(Self.doors), [String: Int]())
        while let path = waiting.first, shown.count < Self.pagesMax {
            waiting.removeFirst()
            let answer = try await client.execute(request(path, cookie: cookie), timeout: .seconds(20))
            let bytes = try await answer.body.collect(upTo: 8 << 20)
            let head = answer.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
            shown.append(Shown(path: path, text: Data(head.utf8) + Data(bytes.readableBytesView)))
            guard answer.headers.first(name: "content-type")?.hasPrefix("text/html") == true else { continue }
            for link in Self.links(in: String(decoding: bytes.readableBytesView, as: UTF8.self)) {
                let kind = Self.kind(of: link)
                guard kinds[kind, default: 0] < Self.ofKindMax, seen.insert(link).inserted else { continue }
                kinds[kind, default: 0] += 1
                waiting.append(link)
            }
        }
        for page in ["/", "/events", "/jobs"] {
            shown.append(Shown(path: "stream of \(page)", text: try await stream(page, client, cookie)))
        }
        return shown
    }

    /// What a live page is sent at first: all of its fragments.
    private func stream(_ page: String, _ client: HTTPClient, _ cookie: String) async throws -> Data {
        let path = "/dashboard/stream?page=\(page)&after="
        let answer = try await client.execute(request(path, cookie: cookie), timeout: .seconds(20))
        var text = Data()
        for try await part in answer.body {
            text += Data(part.readableBytesView)
            if String(decoding: text, as: UTF8.self).contains("\ndata: ") { break }
        }
        return text
    }

    private func request(_ path: String, cookie: String?) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(server.port)\(path)")
        request.headers.add(name: "Accept", value: "text/html")
        if let cookie { request.headers.add(name: "Cookie", value: cookie) }
        return request
    }

    private static func links(in html: String) -> [String] {
        html.split(separator: "href=\"/").dropFirst().compactMap { rest in
            let link = "/" + rest.prefix { $0 != "\"" && $0 != "#" }.replacing("&amp;", with: "&")
            return link.hasPrefix("/assets/") || link.hasPrefix("//") ? nil : link
        }
    }

    /// Addresses that differ by an id, or by what they ask for, are of one kind.
    private static func kind(of link: String) -> String {
        let path = link.prefix { $0 != "?" }.split(separator: "/").map { part in
            part.contains("_") || part.count > 24 ? "id" : String(part)
        }
        return path.joined(separator: "/") + (link.contains("?") ? "?" : "")
    }
}
