public import Kit
public import Logging
public import ServiceLifecycle
public import Store

/// Sends the feed to the application's endpoints: a run for each that this node holds.
///
/// Any node may send to any endpoint; a lease says which one does, and the nodes share them out among themselves: one
/// that holds more than its share lets what is in flight end, records it, and gives the lease back.
public final class EndpointSender: Service {
    /// Endpoints that one node looks at.
    private static let endpointsMax = 10_000
    /// Between two looks at endpoints, leases and what has become due.
    private static let pace = Duration.seconds(1)
    /// Before a run that could not begin is tried again, such as one whose secret does not open.
    private static let afterFailure = Duration.seconds(10)
    /// A free endpoint waits so long for a node that has room; then whoever sees it takes it.
    private static let patience = Duration.seconds(5)
    /// Between two times that a node hands endpoints over.
    private static let calm = Duration.seconds(10)

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
        var seeing = Seeing()
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.forward(to: runs) }
                while !Task.isCancelled, !runs.isStopping {
                    let seen = changed.rings
                    await look(at: runs, &seeing, &group)
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

    /// What a node remembers from look to look, by its own uptime.
    private struct Seeing {
        var freeSince: [ID<EndpointKind>: Duration] = [:]
        var handedOverAt: Duration?
    }

    private func look(at runs: EndpointRuns, _ seeing: inout Seeing, _ group: inout DiscardingTaskGroup) async {
        do {
            let (heads, live) = try await tools.database.read("endpoints.heads") { session in
                (try session.endpointHeads(Self.endpointsMax), try session.liveNodes())
            }
            runs.compare(with: heads, at: tools.time.now())
            let shares = EndpointShares(heads, own: tools.node(), live: live)
            for head in mine(of: heads, shares, &seeing) where runs.begin(head) {
                group.addTask { await self.serve(head, runs) }
            }
            handOver(heads, shares, of: runs, &seeing)
        } catch {
            tools.logger.warning("endpoints.not_read", metadata: ["problem": "\(error)"])
        }
    }

    /// The endpoints that this node holds or may take: of the free ones as many as it has room for, and those that
    /// nobody takes.
    private func mine(of heads: [EndpointHead], _ shares: EndpointShares, _ seeing: inout Seeing) -> [EndpointHead] {
        let now = tools.time.uptime()
        let free = heads.filter { $0.node == nil }
        let before = seeing.freeSince
        seeing.freeSince = Dictionary(free.map { ($0.id, before[$0.id] ?? now) }) { first, _ in first }
        let forsaken = free.dropFirst(shares.room).filter { head in
            before[head.id].map { now - $0 >= Self.patience } ?? false
        }
        return heads.filter { $0.node == shares.own } + free.prefix(shares.room) + forsaken
    }

    /// Lets runs end that others have room for; their leases are free when what is in flight is recorded.
    private func handOver(
        _ heads: [EndpointHead], _ shares: EndpointShares, of runs: EndpointRuns, _ seeing: inout Seeing
    ) {
        let now = tools.time.uptime()
        guard shares.surplus > 0, seeing.handedOverAt.map({ now - $0 >= Self.calm }) ?? true else { return }
        seeing.handedOverAt = now
        let leaving = heads.filter { $0.node == shares.own }.suffix(shares.surplus)
        for head in leaving { runs.control(of: head.id)?.stop() }
        tools.logger.info("endpoints.handed_over", metadata: ["count": "\(leaving.count)"])
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
