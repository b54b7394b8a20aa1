import Engine
import Kit
import Store

/// What is heard from outside comes to. Pure but for the look at a certificate.
enum OnlineRules {
    private static let skewWarned = Duration.seconds(30)
    private static let connectionsNamed = 20

    /// The host of an address, with its port where one is named.
    static func host(_ address: String) -> String {
        let rest = address.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return rest.count > 2 ? String(rest[2]) : address
    }

    // MARK: Hosts

    /// Why no answer came from an address, and what to do.
    static func unreached(_ name: String, _ address: String, _ fault: WireFailure, at now: Timestamp) async -> Finding {
        let host = host(address)
        if case .tls = fault, let problem = await certificate(of: address, at: now) {
            return Finding(name, .failed, "\(host): \(problem.sentence)", advice: problem.advice)
        }
        let advice =
            switch fault {
            case .unresolvable, .ownNetwork: "Look at this machine's network and resolver: getent hosts \(bare(host))"
            case .connect, .timeout: "Look at firewalls and proxies between this machine and \(host)."
            case .tls: "Look at what answers there: openssl s_client -connect \(bare(host)):443"
            case .reset, .notHTTP: "Look at what stands between this machine and \(host)."
            case .refusedAddress, .cancelled: "Look at the address that is set."
            }
        return Finding(name, .failed, "\(host): \(fault.sentence)", advice: advice)
    }

    private static func bare(_ host: String) -> String {
        host.hasPrefix("[") ? host : String(host.prefix { $0 != ":" })
    }

    /// What is wrong with the days of the certificate that stands there; nil where it is nothing of these.
    private static func certificate(of address: String, at now: Timestamp) async -> (sentence: String, advice: String)?
    {
        guard let url = try? OutsideURL(address) else { return nil }  // Then it was not reached by it either.
        let host =
            switch url.host {
            case .name(let name): name
            case .address(let address): "\(address)"
            }
        guard let days = await CertificateLook.days(of: host, port: Int(url.port)) else { return nil }
        return certificate(from: days.from, until: days.until, at: now)
    }

    static func certificate(
        from: Timestamp, until: Timestamp, at now: Timestamp
    ) -> (sentence: String, advice: String)? {
        if until < now {
            return ("Its certificate ended on \(until.rfc3339.prefix(10)).", "Renew it where it is served.")
        }
        if from > now {
            return (
                "Its certificate begins on \(from.rfc3339.prefix(10)), and it is \(now.rfc3339.prefix(10)) here.",
                "Compare this machine's clock."
            )
        }
        return nil
    }

    // MARK: Clock

    /// - Parameter tolerance: beyond it webhooks are refused as too old.
    static func clock(_ clocks: [OnlineDoctor.Clock], tolerance: Duration) -> Finding {
        let sorted = clocks.sorted { $0.skew < $1.skew }
        guard !sorted.isEmpty else {
            return Finding("online.clock", .off, "No platform said what time it is there.")
        }
        let median = sorted[sorted.count / 2].skew
        let apart = Duration.microseconds(Int64(clamping: median.microseconds.magnitude))
        let side = median > .zero ? "behind" : "ahead of"
        let hosts = Set(clocks.map(\.host)).sorted().joined(separator: ", ")
        let sentence = "This clock is \(Amount.duration(apart)) \(side) that of \(hosts)"
        let advice = "Run a time service (chrony, systemd-timesyncd)."
        if apart > tolerance {
            return Finding(
                "online.clock", .failed,
                "\(sentence). Webhooks older than \(Amount.duration(tolerance)) are refused: all would be.",
                advice: advice)
        }
        guard apart <= skewWarned else { return Finding("online.clock", .warning, "\(sentence).", advice: advice) }
        let odd = clocks.filter { abs(($0.skew - median).microseconds) > skewWarned.microseconds }
        guard odd.isEmpty else {
            let theirs = Set(odd.map(\.host)).sorted().joined(separator: ", ")
            return Finding("online.clock", .warning, "The clock of \(theirs) differs from the others'.")
        }
        return Finding("online.clock", .ok, "This clock agrees with that of \(hosts).")
    }

    // MARK: Permissions

    /// Connections that were not granted all that was asked for.
    static func scopes(_ rows: [ConnectionRow]) -> [Finding] {
        guard !rows.isEmpty else { return [] }
        let lacking = rows.filter { !$0.missing.isEmpty }
        guard !lacking.isEmpty else {
            return [Finding("online.scopes", .ok, "\(rows.count) connections have all that was asked for.")]
        }
        let more = lacking.count - connectionsNamed
        return lacking.prefix(connectionsNamed).map { row in
            Finding(
                "online.scopes", .warning,
                "\(row.id) (\(row.provider)) lacks: \(OutsideText.bounded(row.missing.joined(separator: ", "), 200)).",
                advice: "Let its owner connect it again, or do without what needs it.")
        } + (more > 0 ? [Finding("online.scopes", .warning, "\(more) more connections lack permissions.")] : [])
    }
}
