import Foundation
import Kit

/// Sends an application on this machine what a server received in a time: oldest first, each delivery once the one
/// before was taken.
struct LocalReplay {
    let server: APIClient
    let application: LocalApplication
    let perSecond: Int?
    let isDry: Bool

    private static let triesMax = 3

    /// - Parameter query: of `/v1/events`.
    /// - Throws: `Fault` 1 where the application does not take one; it says how to go on.
    func run(_ query: [(String, String?)]) async throws {
        let signing = try LocalSigning(in: try ListenState.folder(ProcessInfo.processInfo.environment))
        let source = ParcelSource(
            server: server, signing: signing, isOfDeliveries: true, provider: nil, types: TypeGlobs(nil))
        if !isDry { note("The application verifies with: \(signing.secret)") }
        let began = ContinuousClock.now
        var (cursor, sent, last) = (nil as String?, 0, "")
        repeat {
            let page = try await server.send(
                "GET", "/v1/events", query: query + [("order", "asc"), ("limit", "100"), ("cursor", cursor)])
            cursor = page["next_cursor"]?.text
            for event in page["data"]?.elements ?? [] {
                // Several events of one delivery are sent as they came: together.
                guard let delivery = event["delivery_id"]?.text, delivery != last else { continue }
                last = delivery
                if isDry {
                    show(event, "would be sent")
                    sent += 1
                    continue
                }
                guard let parcel = try await parcel(of: event, delivery, source) else { continue }
                if let perSecond {
                    try await Task.sleep(until: began + .seconds(1) * sent / perSecond, clock: .continuous)
                }
                try await pass(parcel, event)
                sent += 1
            }
        } while cursor != nil
        note("\(sent) deliveries \(isDry ? "would be sent" : "sent") to \(application.address).")
    }

    private func parcel(of event: JSON, _ delivery: String, _ source: ParcelSource) async throws -> Parcel? {
        try await source.parcel(
            ofDelivery: delivery, event["provider"]?.text ?? "", type: event["type"]?.text ?? "",
            name: event["provider_event_id"]?.text, event: event["id"]?.text ?? "")
    }

    private func pass(_ parcel: Parcel, _ event: JSON) async throws {
        for attempt in 1...Self.triesMax {
            let (outcome, _) = await application.take(parcel)
            var word = "away"
            if case .answered(let status) = outcome { word = String(status) }
            show(event, outcome.isTaken ? Colour.green(word) : Colour.red(word))
            if outcome.isTaken { return }
            if attempt < Self.triesMax { try await Task.sleep(for: Patience.pause(after: attempt)) }
        }
        // A filter's time is before what it lets through.
        let time = event["received_at"]?.text.flatMap(Timestamp.init(rfc3339:)).map { ($0 - .milliseconds(1)).rfc3339 }
        throw Fault("\(application.address) does not take it. Mend it, and go on with --after \(time ?? "")", code: 1)
    }

    private func show(_ event: JSON, _ word: String) {
        let text = { (name: String) in (event[name]?.text ?? "").visible(atMost: 80) }
        say("\(text("received_at"))  \(text("provider"))  \(text("type"))  \(text("id"))  \(word)")
    }
}
