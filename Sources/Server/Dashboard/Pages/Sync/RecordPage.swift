import Kit
import Store

/// One row of a stream: what is kept of it, and every step of its counts.
enum RecordPage {
    struct Metric: Sendable {
        let name: String
        let last: String
        let path: String
        let sentence: String
    }
    struct Seen: Sendable {
        let at: TimeModel
        let cells: [String]
    }
    struct Model: Sendable {
        let facts: [Fact]
        let columns: [String]
        let metrics: [Metric]
        let steps: [Seen]
        let hasSteps: Bool
    }

    private static let stepsShown = 100
    /// Of a chart.
    private static let (wide, high): (Int64, Int64) = (600, 64)

    static let page = Page(
        path: "/sync/{id}/{stream}/rows/{key}", entry: .sync, template: "record"
    ) { request in
        let (place, key) = (try await StreamPlace(request), request.parameter("key"))
        let (table, account) = (place.stream.table, place.connection.openID)
        let (row, steps) = try await request.app.database.read("record_page") { session in
            (
                try session.records([key], in: table, of: account)[key],
                try session.history(of: key, in: table, of: account, before: nil, limit: stepsShown)
            )
        }
        guard let row else { throw PageProblem.notFound }
        let words = request.words
        var head = Head(key)
        head.isCode = true
        head.crumbs = place.crumbs(words) + [Link(place.stream.name, place.path)]
        if let gone = row.deletedAt {
            head.lede = words("stream.gone", ["time": request.times.moment(gone).text])
        }
        let metrics = table.metrics.enumerated().map { index, column in
            metric(column.name, steps.reversed().map { ($0.at, $0.metrics[index]) }, words)
        }
        return PageContent(
            head,
            Model(
                facts: facts(row, table, request), columns: table.metrics.map(\.name), metrics: metrics,
                steps: steps.map { step in
                    Seen(at: request.times.moment(step.at), cells: step.metrics.map { text(number($0), words) })
                }, hasSteps: !steps.isEmpty),
            commands: [
                request.curl(
                    "/v1/records/\(place.connection.provider).\(place.stream.name)/"
                        + "\(PercentEncoding.encode(key))/history?connection_id=\(place.connection.id)")
            ])
    }

    private static func facts(_ row: RecordRow, _ table: RecordTable, _ request: PageRequest) -> [Fact] {
        let members = RecordJSON.members(table.columns, row.cells)
        var facts = zip(table.columns, members).map { column, member in
            Fact(column.name, RecordText.of(member.value, column, request), isCode: column.kind != .text)
        }
        facts.append(Fact("observed_at", request.times.moment(row.observedAt)))
        facts.append(Fact("first_seen_at", request.times.moment(row.firstSeenAt)))
        return facts
    }

    private static func number(_ cell: Cell) -> Int64? {
        if case .integer(let value) = cell { value } else { nil }
    }
    private static func text(_ value: Int64?, _ words: Words) -> String { value.map { words.number($0) } ?? "–" }

    /// A line from its lowest value to its highest over the time in which it was seen.
    private static func metric(_ name: String, _ steps: [(at: Timestamp, cell: Cell)], _ words: Words) -> Metric {
        let points = steps.compactMap { step in number(step.cell).map { (at: step.at, value: $0) } }
        let values = points.map(\.value)
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        let first = points.first?.at ?? .zero
        let span = max(1, ((points.last?.at ?? .zero) - first).components.seconds)
        let range = Double(high) - Double(low)
        var path = points.enumerated().map { index, point in
            let x = (point.at - first).components.seconds * wide / span
            let share = range > 0 ? (Double(point.value) - Double(low)) / range : 0.5
            return "\(index == 0 ? "M" : "L")\(x) \(Int64(Double(Self.high) * (1 - share)) + 3)"
        }.joined()
        if points.count == 1 { path += "H\(wide)" }
        return Metric(
            name: name, last: text(values.last, words), path: path,
            sentence: words.count(
                "record.metric", points.count,
                ["low": text(values.min(), words), "high": text(values.max(), words)]))
    }
}
