import Kit

/// What a comparison found, for a person: in sentences, and what to do next.
struct ReconcileReport {
    private let run: JSON
    init(_ run: JSON) { self.run = run }

    private var provider: String { run["provider"]?.text ?? "" }
    private var stream: String { run["stream"]?.text ?? "" }
    private var isDryRun: Bool { run["dry_run"]?.boolean ?? false }
    private func count(_ name: String) -> Int64 { run[name]?.integer ?? 0 }

    var lines: [String] { [heading] + findings + next }

    /// Nil when it has ended and compared all.
    var fault: Fault? {
        switch run["state"]?.text {
        case "done": nil
        case "running":
            Fault(
                "It has not ended yet. It goes on by itself; look again: patchbay trace \(run["id"]?.text ?? "")",
                code: 1)
        default: Fault(run["problem"]?.text ?? "It ended before all was compared.", code: 1)
        }
    }

    private var heading: String {
        func time(_ name: String) -> String {
            run[name]?.text.flatMap(Timestamp.init(rfc3339:)).map(LocalTime.full) ?? "-"
        }
        let total = count("matched") + count("missing_here") + count("differing")
        let span = stream == "events" ? "from \(time("since")) to \(time("until"))" : "as they stand there"
        return "\(provider), \(stream) \(span): \(total) compared."
    }

    private var findings: [String] {
        let done = isDryRun ? "nothing was let in" : "let in now"
        let righted = isDryRun ? "nothing was changed" : "put right now"
        return [
            (count("matched"), "were here already"), (count("missing_here"), "were missing here: \(done)"),
            (count("differing"), "stood otherwise here: \(righted)"),
        ].filter { $0.0 > 0 }.map { "  \($0.0) \($0.1)." }
    }

    private var next: [String] {
        guard run["state"]?.text == "done" else { return [] }
        guard count("missing_here") + count("differing") > 0 else { return ["Nothing is missing."] }
        guard !isDryRun else {
            let events = stream == "events" ? "" : " \(stream)"
            return ["Fetch it: patchbay reconcile \(provider)\(events)"]
        }
        return [
            "What came of it: patchbay events list --provider \(provider)",
            "Why it did not arrive by itself: patchbay doctor",
        ]
    }
}
