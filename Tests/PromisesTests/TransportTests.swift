import AsyncHTTPClient
import Engine
import Foundation
import Kit
import NIOCore
import NIOHTTP1
import NIOSSL
import TestSupport
import Testing

@Suite("TLS by itself, and behind a proxy", .serialized)
struct TransportTests {
    @Test("answers over TLS tell browsers to stay; a renewed certificate serves without a restart")
    func renewed() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let folder = try CertificateFolder()
            try folder.make("first")
            let server = try ServerProcess(
                databaseURL: url,
                environment: ["PATCHBAY_TLS_CERT": folder.certificate, "PATCHBAY_TLS_KEY": folder.key])
            try server.launch()

            let first = try await Self.answer(of: server, trusting: folder.certificate)
            #expect(first?.status == .ok)
            #expect(first?.headers["Strict-Transport-Security"] == ["max-age=31536000"])

            let old = folder.saved("old")
            try await Task.sleep(for: .milliseconds(1100))  // It looks at the files once a second, by their time.
            try Data("half-written".utf8).write(to: URL(fileURLWithPath: folder.key))
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await Self.answer(of: server, trusting: old) != nil, "the old one serves while the new is bad")
            try folder.make("second")
            let isNew = try await eventually {
                try await Self.answer(of: server, trusting: folder.certificate) != nil
            }
            #expect(isNew)
            #expect(try await Self.answer(of: server, trusting: old) == nil, "the old one is gone")
            #expect(server.logText.contains("tls.certificate_unreadable"))
            #expect(server.logText.contains("tls.certificate_replaced"))
            #expect(server.stop() == 0)
        }
    }

    @Test("no plain http is spoken on a port with TLS")
    func plain() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let folder = try CertificateFolder()
            try folder.make("only")
            let server = try ServerProcess(
                databaseURL: url,
                environment: ["PATCHBAY_TLS_CERT": folder.certificate, "PATCHBAY_TLS_KEY": folder.key])
            try server.launch()
            _ = try await Self.answer(of: server, trusting: folder.certificate)

            // Nobody trusts it, and yet it is seen until when it is good: `doctor --online` tells one that has ended.
            let days = try #require(await CertificateLook.days(of: "127.0.0.1", port: server.port))
            #expect(days.from < .system && days.until > .system && days.until < .system + .days(3))

            let socket = try RawSocket(port: server.port)
            socket.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")

            #expect(!socket.receive().contains("HTTP/1.1"))
        }
    }

    @Test("a trusted proxy's https is secure, its http is refused; nobody else is believed")
    func proxied() async throws {
        try await TestDatabase.withAddress(.sqlite) { url in
            let server = try ServerProcess(
                databaseURL: url, environment: ["PATCHBAY_TRUSTED_PROXIES": "127.0.0.0/8"])
            try await server.start()

            let secure = try await server.get("/livez", headers: [("X-Forwarded-Proto", "https")])
            #expect(secure.headers.contains { $0.0.lowercased() == "strict-transport-security" })
            let refused = try await server.get("/livez", headers: [("X-Forwarded-Proto", "gopher")])
            #expect(refused.status >= 400)
            #expect(String(decoding: refused.body, as: UTF8.self).contains("https_required"))
            #expect(server.stop() == 0)
        }
    }

    /// Nil when the server's certificate is another.
    private static func answer(of server: ServerProcess, trusting certificate: String) async throws
        -> HTTPClientResponse?
    {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(certificate)
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        var answer: HTTPClientResponse?
        for _ in 0..<400 {
            do {
                answer = try await client.execute(
                    HTTPClientRequest(url: "https://localhost:\(server.port)/livez"), timeout: .seconds(10))
                break
            } catch is NIOSSLError {
                break
            } catch is NIOSSLExtraError {
                break
            } catch {  // It does not listen yet.
                guard server.isRunning else { throw ServerDied(log: server.logText) }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        try await client.shutdown()
        return answer
    }
}

/// A certificate with its key, made anew as often as one likes.
private final class CertificateFolder {
    private let folder: URL
    var certificate: String { folder.appendingPathComponent("tls.crt").path }
    var key: String { folder.appendingPathComponent("tls.key").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }  // A leftover harms nobody.

    /// Signed by itself, for `localhost`.
    func make(_ name: String) throws {
        let child = try ChildProcess(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
            ])
        guard child.wait() == 0 else { throw ServerDied(log: "openssl made no certificate") }
    }

    /// A copy of the certificate as it is now.
    func saved(_ name: String) -> String {
        let copy = folder.appendingPathComponent(name).path
        try? FileManager.default.copyItem(atPath: certificate, toPath: copy)  // Absent: nothing is trusted then.
        return copy
    }
}
