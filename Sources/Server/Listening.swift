import Engine
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Kit
import Logging
import NIOCore
public import ServiceLifecycle

/// What the API does now and then, until the server stops.
private struct Housekeeping: Service {
    let app: App
    func run() async throws {
        await cancelWhenGracefulShutdown {
            do { try await app.keepHouse() } catch is CancellationError {} catch {
                app.logger.error("housekeeping.ended", metadata: ["reason": "\(error)"])
            }
        }
    }
}

extension Instance {
    /// The HTTP server, with TLS where a certificate is set.
    public func httpServer() throws -> any Service {
        let (logger, app) = (logger, app)
        var configuration = ApplicationConfiguration(
            address: .hostname(settings.listen.host, port: settings.listen.port), serverName: nil,
            availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax))
        configuration.reuseAddress = true
        // A client that says nothing for so long is not spoken with any more.
        let channel = HTTP1Channel.Configuration(idleTimeout: .seconds(60))
        let server: HTTPServerBuilder =
            if let tls = try ServerTLS.configuration(for: settings, logger: logger) {
                try .tls(.http1(configuration: channel), tlsConfiguration: tls)
            } else {
                .http1(configuration: channel)
            }
        return Application(
            router: makeRouter(app, adding: otherRoutes), server: server, configuration: configuration,
            services: [Housekeeping(app: app)],
            onServerRunning: { channel in
                logger.notice(
                    "server.listening",
                    metadata: ["port": "\(channel.localAddress?.port ?? 0)", "version": "\(Self.version)"])
            },
            logger: LogOutput.quiet(from: logger))
    }

    /// Open at once; who comes then waits in the kernel's line. Each may hold the free part of a body
    /// (`BodyBudget.freeEach`), and descriptors must be left for the database, endpoints and platforms.
    private static var connectionsMax: Int { min(4096, max(64, Machine.descriptorsMax - 256)) }

    var app: App {
        var hooks = Hooks()
        let bells = bells
        hooks.jobsArrived = { bells.jobs.ring() }
        hooks.changesWritten = { bells.written.ring() }
        hooks.endpointsChanged = { bells.endpoints.ring() }
        hooks.deciders = Hooks.deciders(
            ids: ids, database: database, publishing: publishing?.publishing, read: gateway.reread)
        hooks.objects = objects
        hooks.signedAddresses = settings.encryptionKeys.isEmpty ? nil : SignedAddresses(vault: vault)
        hooks.publishing = publishing
        hooks.eventSchemas = EventCatalogue.schemas
        hooks.endpoints = settings.encryptionKeys.isEmpty ? nil : endpoints
        hooks.apps = settings.encryptionKeys.isEmpty ? nil : AppCredentials(Providers.appSources, vault, ids)
        hooks.subscribing = settings.encryptionKeys.isEmpty ? nil : subscribing
        hooks.appChanged = { [webhookSecrets] in webhookSecrets.forget($0) }
        hooks.hub = hub
        hooks.quotas = traffic.quotas
        hooks.reconciling = reconciling
        hooks.checkConnection = { [onlineDoctor] in await onlineDoctor.check($0) }
        hooks.askPlatforms = { [onlineDoctor] in await onlineDoctor.examine() }
        hooks.eventTerms = settings.encryptionKeys.isEmpty ? nil : eventTerms
        hooks.connecting =
            settings.encryptionKeys.isEmpty ? nil : ConnectHooks(connecting, settings)
        hooks.syncs = syncing.syncs
        hooks.demo = settings.demo.map { LocalClient($0) }
        if let demo = hooks.demo { hooks.checklist = { await DemoChecklist.make(demo, language: $0) } }
        hooks.sandbox = settings.sandboxURL.map { LocalClient(base: $0) }
        hooks.dependencies["node"] = { [node] in
            node.isLive ? nil : "This node's session has ended; it opens a new one within seconds."
        }
        let (secrets, rehearsal) = (webhookSecrets, rehearsal)
        hooks.rehearse = { try await rehearsal.changes(of: $0) }
        hooks.webhookScheme = { [gateway] in gateway.scheme(of: $0, app: $1, at: $2) }
        hooks.webhookSecrets = { [gateway] provider, app in
            guard let scheme = gateway.scheme(of: provider, app: app) else { return [] }
            return try await secrets.present(of: app, provider: provider, scheme: scheme)
        }
        return App(
            database: database, ids: ids, now: time.now, sleep: time.sleep, settings: settings, logger: logger,
            hooks: hooks)
    }

    private var otherRoutes: [OtherRoute] {
        let scrape = Scrape(metrics: metrics, database: database, time: time, logger: logger)
        let exposition = OtherRoute("GET", "/metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: await scrape.exposition())))
        }
        return WebhookRoutes(
            gateway: gateway, aliases: settings.webhookAliases, trustedProxies: settings.trustedProxies, time: time,
            metrics: metrics, base: settings.publicURL ?? "", address: SettingsRules.base(settings)
        ).all + [exposition] + proxyRoutes.all
    }
}
