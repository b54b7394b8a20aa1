import Hummingbird
import HummingbirdTesting
import Kit
import Testing

@testable import Server
@testable import Store

/// A browser in front of the pages: keeps cookies, sends forms as browsers do. Every page is held to what every page
/// must be.
final class Browser {
    let api: TestAPI
    var cookies: [String: String] = [:]

    init(_ api: TestAPI) { self.api = api }

    struct Page {
        let status: Int
        let headers: HTTPFields
        let html: String

        var location: String? { headers[.location] }
        var formToken: String? {
            html.split(separator: "name=\"csrf\" value=\"").dropFirst().first.map { String($0.prefix { $0 != "\"" }) }
        }
    }

    /// An operator with a session in this browser.
    static func signedIn(_ api: TestAPI, as role: OperatorRow.Role = .admin, name: String = "ops") async throws
        -> Browser
    {
        let operators = Operators(database: api.database, ids: api.app.ids, settings: api.app.settings)
        _ = try await operators.add(name, role, at: api.clock.now)
        let address = try await operators.signInAddress(name, at: api.clock.now)
        let browser = Browser(api)
        let page = try await browser.get(String(address.dropFirst(api.app.settings.browserAddress.count)))
        #expect(page.status == 303 && page.location == "/")
        return browser
    }

    func get(_ path: String, headers: [String: String] = [:]) async throws -> Page {
        try await send(.get, path, headers: ["Accept": "text/html"].merging(headers) { $1 })
    }

    /// Sends a form from a page of this server.
    func post(_ path: String, _ fields: [String: String] = [:], from origin: String = "same-origin") async throws
        -> Page
    {
        let body = BrowserText.query(fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }).dropFirst()
        return try await send(
            .post, path, headers: ["Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": origin],
            body: String(body))
    }

    /// The same with the token that the page at `source` carries.
    func act(_ path: String, _ fields: [String: String] = [:], on source: String = "/account") async throws -> Page {
        let token = try #require(try await get(source).formToken)
        return try await post(path, fields.merging(["csrf": token]) { $1 })
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, headers: [String: String], body: String? = nil,
        bytes: [UInt8]? = nil
    ) async throws -> Page {
        var fields = HTTPFields()
        for (name, value) in headers { fields[try #require(HTTPFields.Element.Name(name))] = value }
        if !cookies.isEmpty {
            fields[.cookie] = cookies.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: "; ")
        }
        let response = try await api.client.executeRequest(
            uri: path, method: method, headers: fields,
            body: body.map { ByteBuffer(string: $0) } ?? bytes.map { ByteBuffer(bytes: $0) })
        for cookie in response.headers[values: .setCookie] {
            let pair = cookie.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1).map(String.init)
            let isGone = cookie.contains("Max-Age=0")
            cookies[pair[0]] = isGone ? nil : pair.count > 1 ? pair[1] : ""
        }
        let page = Page(
            status: Int(response.status.code), headers: response.headers,
            html: String(decoding: response.body.readableBytesView, as: UTF8.self))
        if response.headers[.contentType]?.hasPrefix("text/html") == true, !path.hasPrefix("/docs") {
            check(page, path)
        }
        return page
    }

    /// Nothing inline, nothing from elsewhere, one `h1`, small.
    private func check(_ page: Page, _ path: String) {
        #expect(page.headers[.contentSecurityPolicy]?.hasPrefix("default-src 'none'; style-src 'self'") == true)
        #expect(page.headers[.cacheControl] == "no-store")
        guard !page.html.isEmpty else { return }
        let text = page.html.lowercased()
        #expect(!text.contains(" style="), "\(path) has an inline style")
        #expect(!text.contains("<style"), "\(path) has a style element")
        #expect(text.ranges(of: "<script").count == 1, "\(path) has more than its script")
        #expect(text.contains("<script src=\"/assets/dashboard."))
        #expect(text.ranges(of: "<h1").count == 1, "\(path) has not one h1")
        #expect(text.ranges(of: "<main").count == 1)
        #expect(!text.contains("{{") && !text.contains("[["), "\(path) shows a template's marks")
        #expect(text.firstMatch(of: /(src|href)="(https?:)?\/\/(?!127\.0\.0\.1|localhost)/) == nil || path == "/docs")
        #expect(page.html.utf8.count < 100_000, "\(path) has \(page.html.utf8.count) bytes")
    }
}
