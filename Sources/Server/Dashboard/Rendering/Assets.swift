import Crypto
import DashboardFiles
import Hummingbird
import Kit

/// Stylesheet, script, icons: a hash in each name, so a browser may keep them for a year.
struct Assets: Sendable {
    static let shared = Assets()

    /// Where each stands, for the templates.
    struct Names: Sendable {
        let css: String
        let docs: String
        let js: String
        let docsJS: String
        let icons: String
        let favicon: String
    }

    let names: Names
    private let files: [String: (type: String, bytes: [UInt8])]

    private init() {
        var files: [String: (type: String, bytes: [UInt8])] = [:]
        func add(_ name: String, _ ending: String, _ type: String, _ bytes: [UInt8]) -> String {
            let hash = String(decoding: Hex.encode(Array(SHA256.hash(data: bytes).prefix(8))), as: UTF8.self)
            let file = "\(name).\(hash).\(ending)"
            files[file] = (type, bytes)
            return "/assets/\(file)"
        }
        names = Names(
            css: add("dashboard", "css", "text/css; charset=utf-8", DashboardFiles.stylesheet),
            docs: add("docs", "css", "text/css; charset=utf-8", DashboardFiles.docsStylesheet),
            js: add("dashboard", "js", "text/javascript; charset=utf-8", DashboardFiles.script),
            docsJS: add("docs", "js", "text/javascript; charset=utf-8", DashboardFiles.docsScript),
            icons: add("icons", "svg", "image/svg+xml", DashboardFiles.icons),
            favicon: add("favicon", "svg", "image/svg+xml", DashboardFiles.favicon))
        self.files = files
    }

    /// - Throws: 404 for a name of another version.
    func response(_ name: String) throws -> Response {
        guard let file = files[name] else { throw Problem(.notFound, "There is no such asset.") }
        return Response(
            status: .ok,
            headers: [
                .contentType: file.type, .cacheControl: "public, max-age=31536000, immutable",
                .contentTypeOptions: "nosniff",
            ], body: .init(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }
}
