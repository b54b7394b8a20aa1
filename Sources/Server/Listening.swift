import Engine
import HTTPTypes
import Hummingbird
import HummingbirdTLS
import Logging
import NIOCore
public import ServiceLifecycle

extension Instance {
    /// The HTTP server, with TLS where a certificate is set.
    public func httpServer() throws -> any Service {
        let router = Router(context: ServerContext.self)
        WebhookRoutes<ServerContext>(gateway: gateway, aliases: settings.webhookAliases, time: time, metrics: metrics)
            .add(to: router)
        router.get("livez") { _, _ in Response(status: .ok) }
        let metrics = metrics
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: .init(byteBuffer: ByteBuffer(string: metrics.exposition)))
        }
        let logger = logger
        return Application(
            router: router,
            configuration: .init(
                address: .hostname(settings.listen.host, port: settings.listen.port), serverName: nil),
            onServerRunning: { channel in
                logger.notice(
                    "server.listening", metadata: ["address": "\(channel.localAddress.map { "\($0)" } ?? "?")"])
            },
            logger: logger)
    }
}

struct ServerContext: RequestContext, RemoteAddressed {
    var coreContext: CoreRequestContextStorage
    let remote: String?
    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remote = source.channel.remoteAddress?.ipAddress
    }
}
