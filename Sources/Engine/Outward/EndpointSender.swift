public import Kit
public import Logging
public import ServiceLifecycle
public import Store

/// Sends the feed to the application's endpoints: a run for each that this node holds.
///
/// Any node may send to any endpoint; a lease says which one does.
public final class EndpointSender: Service {
    /// Endpoints that one node looks at.
    private static let endpointsMax = 10_000
    /// Between two looks at endpoints, leases and what has become due.
    private static let pace = Duration.seconds(1)
    /// Before a run that could not begin is tried again, such as one whose secret does not open.
    private static let afterFailure = Duration.seconds(10)

    private let tools: SenderTools
    /// Rung when an endpoint was made or changed, or something was queued for one, in this process.
    private let changed: Bell

    /// - Parameters:
    ///   - changed: rung by whoever changes endpoints in this process; other nodes find out within a second.
    ///   - written: rung here when changes about endpoints were written.
    ///   - node: this process's session, which changes when it was revoked.
    ///   - inFlightMax: requests under way to one endpoint at once.
    ///   - program: the version, for `User-Agent`.
    public init(
        database: any Database, hub: ChangeHub, wire: any OutsideWire, vault: any Sealing, identifiers: Identifiers,
        node: @escaping @Sendable () -> ID<NodeKind>, changed: Bell, written: Bell, time: TimeSource,
        logger: Logger, metrics: Metrics = Metrics(),
        inFlightMax: Int = 16, program: String
    ) {
        tools = SenderTools(
            database: database, hub: hub, wire: wire, vault: vault, identifiers: identifiers, node: node, time: time,
            logger: logger, metrics: metrics, written: written, slotsMax: inFlightMax, program: program)
        self.changed = changed
    }

    /// Runs until it is told to stop; then what is in flight ends and is recorded, and the leases are given back.
    public func run() async throws {
        let runs = EndpointRuns()
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.forward(to: runs) }
                while !Task.isCancelled, !runs.isStopping {
                    let seen = changed.rings
                    await look(at: runs, &group)
                    await changed.wait(since: seen, until: tools.time.now() + Self.pace, on: tools.time)
                }
                await runs.ended()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            runs.stop()
            self.changed.ring()
        }
    }

    /// Every run hears of new changes.
    private func forward(to runs: EndpointRuns) async {
        while !Task.isCancelled {
            let seen = tools.hub.moved.rings
            runs.ring()
            await tools.hub.moved.wait(since: seen)
        }
    }

    private func look(at runs: EndpointRuns, _ group: inout DiscardingTaskGroup) async {
        do {
            let heads = try await tools.database.read("endpoints.heads") { try $0.endpointHeads(Self.endpointsMax) }
            let now = tools.time.now()
            runs.compare(with: heads, at: now)
            for head in heads where head.node == nil || head.node == tools.node() {
                guard runs.begin(head) else { continue }
                group.addTask { await self.serve(head, runs) }
            }
        } catch {
            tools.logger.warning("endpoints.not_read", metadata: ["problem": "\(error)"])
        }
    }

    /// Takes the lease, runs, gives it back.
    private func serve(_ head: EndpointHead, _ runs: EndpointRuns) async {
        defer { runs.end(head.id) }
        let (id, node, now) = (head.id, tools.node(), tools.time.now())
        let lease = Session.endpointLease(id)
        guard let control = runs.control(of: id) else { return }
        do {
            let fence = try await tools.database.set("endpoints.take", in: .work) { session in
                try session.takeLease(lease, for: node, at: now)
            }
            guard let fence else { return }
            if var run = try await EndpointRun(id, fence: fence, tools: tools, control: control) {
                tools.logger.debug("endpoint.began", metadata: ["endpoint": "\(id)"])
                await run.run()
                guard !run.isLost else { return }
            }
            try await tools.database.set("endpoints.drop", in: .work) { try $0.dropLease(lease, node: node) }
        } catch {
            tools.logger.warning("endpoint.stopped", metadata: ["endpoint": "\(id)", "problem": "\(error)"])
            await control.waitForOrders(until: tools.time.now() + Self.afterFailure, on: tools.time)
        }
    }
}
