import Engine
import Hummingbird
import Kit
import ServiceLifecycle
import Store

/// What a browser's one stream shows: for each page that it looks at, the fragments that have changed.
struct LiveStream: Sendable {
    /// A page as somebody looks at it.
    struct View: Sendable {
        let page: Page
        let request: PageRequest
    }

    /// Between two drawings of the same pages: a burst of changes is drawn once.
    private static let pace = Duration.seconds(1)
    /// A line at least so often, so that the page knows that it is up to date.
    private static let silenceMax = Duration.seconds(5)
    /// A browser that takes nothing for so long is not there any more.
    private static let stallMax = Duration.seconds(15)
    /// A stream ends by itself and is opened anew.
    private static let life = Duration.minutes(10)

    let views: [View]
    let after: Int64?
    let hub: ChangeHub?
    let dashboard: Dashboard
    /// Ends the connection, whatever waits to be written to it.
    let hangUp: @Sendable () -> Void

    func write(to writer: inout any ResponseBodyWriter) async throws {
        let pulse = ClientPulse()
        let (events, out) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(64))
        let producers = Task {
            await cancelWhenGracefulShutdown { await produce(out, pulse) }
            out.finish()
        }
        defer { producers.cancel() }
        try await pulse.write(Array("retry: 2000\n\n".utf8), to: &writer)
        for await event in events { try await pulse.write(event, to: &writer) }
        try await writer.finish(nil)
    }

    private func produce(_ out: AsyncStream<[UInt8]>.Continuation, _ pulse: ClientPulse) async {
        let bell = Bell()
        await withTaskGroup { group in
            if let hub { group.addTask { await follow(hub, bell) } }
            group.addTask { await drawWhenRung(bell, out) }
            group.addTask { if await pulse.stops(at: Self.stallMax, on: dashboard.app.sleep) { hangUp() } }
            await group.next()
            group.cancelAll()
        }
    }

    /// Rings for every change that one of the pages follows.
    private func follow(_ hub: ChangeHub, _ bell: Bell) async {
        let types = EventPatterns(Array(Set(views.flatMap(\.page.follows))).sorted())
        do { for try await _ in hub.subscribe(after: after, to: ChangeFilter(types: types)) { bell.ring() } } catch {
            // Behind what is kept: the pages are drawn as they are now, and the browser comes back from there.
            bell.ring()
        }
    }

    private func drawWhenRung(_ bell: Bell, _ out: AsyncStream<[UInt8]>.Continuation) async {
        var shown: [Int: [String: Int]] = [:]
        let began = dashboard.app.now()
        var seen = bell.rings
        while !Task.isCancelled, dashboard.app.now() - began < Self.life {
            guard await isStillSignedIn() else { return }
            var isQuiet = true
            for (index, view) in views.enumerated() {
                guard let event = await drawn(view, &shown[index, default: [:]]) else { continue }
                out.yield(event)
                isQuiet = false
            }
            if isQuiet { out.yield(Array("event: tick\ndata: \n\n".utf8)) }
            do { try await dashboard.app.sleep(Self.pace) } catch { return }
            await waitForRing(bell, since: seen)
            seen = bell.rings
        }
    }

    /// Until something changed, a page wants to be drawn anyway, or a sign of life is due.
    private func waitForRing(_ bell: Bell, since seen: UInt64) async {
        let wait = min(Self.silenceMax, views.compactMap(\.page.every).min() ?? Self.silenceMax)
        await withTaskGroup { group in
            group.addTask { _ = await bell.wait(since: seen) }
            group.addTask { try? await dashboard.app.sleep(wait) }  // Cancelled by the ring.
            await group.next()
            group.cancelAll()
        }
    }

    /// A stream shows nothing to whom another browser has signed out. While the database is away nothing is drawn.
    private func isStillSignedIn() async -> Bool {
        guard let id = views.first?.request.visitor?.session.id else { return false }
        let now = dashboard.app.now()
        do { return try await dashboard.app.database.read("live_session") { try $0.isOpen(id, at: now) } } catch {
            return true
        }
    }

    /// The fragments of a page that are not as they were; nil for none.
    private func drawn(_ view: View, _ shown: inout [String: Int]) async -> [UInt8]? {
        do {
            let drawing = try await dashboard.drawing(view.page, view.request)
            let changed = drawing.fragments.filter { shown[$0.name] != $0.html.hashValue }
            for fragment in drawing.fragments { shown[fragment.name] = fragment.html.hashValue }
            guard !changed.isEmpty else { return nil }
            return drawing.event(changed)
        } catch {
            return nil  // The page stands as it is; the next drawing shows whether it works again.
        }
    }
}

/// A page's fragments, drawn.
struct Drawing: Sendable {
    struct Fragment: Sendable {
        let name: String
        let html: String
    }
    let page: String
    let title: String
    let position: Int64
    let fragments: [Fragment]

    func json(_ fragments: [Fragment]) -> [UInt8] {
        JSON.object([
            JSONMember("page", .string(page)), JSONMember("title", .string(title)),
            JSONMember("fragments", .object(fragments.map { JSONMember($0.name, .string($0.html)) })),
        ]).bytes
    }

    func event(_ fragments: [Fragment]) -> [UInt8] {
        Array("id: \(position)\nevent: page\ndata: ".utf8) + json(fragments) + Array("\n\n".utf8)
    }
}

extension Dashboard {
    /// Pages that one stream shows at most.
    private static let viewsMax = 4

    /// `GET /dashboard/stream?page=/events&after=123`
    func stream(
        _ request: PageRequest, headers: HTTPFields, hangUp: @escaping @Sendable () -> Void
    ) async throws -> Response {
        guard request.visitor != nil else { throw PageProblem.forbidden }
        let text = request.target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        let views = text.split(separator: "&").filter { $0.hasPrefix("page=") }.prefix(Self.viewsMax)
            .compactMap { PercentEncoding.decode($0.dropFirst(5), plusIsBlank: true) }.compactMap { view($0, request) }
        guard !views.isEmpty else { throw PageProblem.notFound }
        let after = (headers[.lastEventID] ?? request.query["after"]).flatMap { Int64($0) }.map { max(0, $0) }
        var fields = Self.headers
        fields[.contentType] = "text/event-stream"
        fields[.cacheControl] = "no-cache"
        let live = LiveStream(
            views: Array(views), after: after, hub: app.hooks.hub, dashboard: self, hangUp: hangUp)
        return Response(
            status: .ok, headers: fields,
            body: .init { writer in
                var writer: any ResponseBodyWriter = writer
                try await live.write(to: &writer)
            })
    }

    /// `GET /dashboard/fragments?page=/events`: the same once, for a tab that another one's stream does not reach.
    func fragments(_ request: PageRequest) async throws -> Response {
        guard request.visitor != nil, let view = request.query["page"].flatMap({ view($0, request) }) else {
            throw PageProblem.notFound
        }
        let drawing = try await drawing(view.page, view.request)
        var fields = Self.headers
        fields[.contentType] = "application/json"
        return Response(
            status: .ok, headers: fields,
            body: .init(byteBuffer: ByteBuffer(bytes: drawing.json(drawing.fragments))))
    }

    /// The page at an address of ours, if there is one.
    private func view(_ target: String, _ request: PageRequest) -> LiveStream.View? {
        guard BrowserText.ownPath(target) == target else { return nil }
        let segments = target.prefix { $0 != "?" && $0 != "#" }.split(separator: "/")
        for page in pages where page.isLive {
            let template = page.path.split(separator: "/")
            guard template.count == segments.count else { continue }
            var parameters: [String: String] = [:]
            let fits = zip(template, segments).allSatisfy { part, segment in
                guard part.hasPrefix("{") else { return part == segment }
                parameters[String(part.dropFirst().dropLast())] =
                    PercentEncoding.decode(segment, plusIsBlank: false) ?? ""
                return true
            }
            guard fits else { continue }
            let asking = request.asking(target, parameters: parameters)
            return page.isLive(asking) ? LiveStream.View(page: page, request: asking) : nil
        }
        return nil
    }

    /// Draws the frame's and the page's fragments anew.
    func drawing(_ page: Page, _ request: PageRequest) async throws -> Drawing {
        let request = request.asking(request.target, parameters: request.parameters)
        let content = try await page.load(request)
        var model = FrameModel(page, content, request, try await surroundings())
        var fragments: [Drawing.Fragment] = []
        for (name, isOfFrame) in [("frame-nav", true), ("frame-head", true)] + page.fragments.map({ ($0, false) }) {
            model.fragment = name
            model.isOfFrame = isOfFrame
            let html = Templates.shared.render("fragment", model, in: request.words.language)
            fragments.append(Drawing.Fragment(name: name, html: html))
        }
        return Drawing(
            page: request.target, title: model.documentTitle, position: model.position, fragments: fragments)
    }
}
