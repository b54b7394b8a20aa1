public import Kit

/// A condition that stands in the tables and has no alert yet.
public struct StandingCondition: Sendable {
    /// `endpointFailing` or `endpointDisabled`.
    public let kind: AlertName
    public let endpoint: ID<EndpointKind>
    public let url: String
    public let since: Timestamp?
    public let reason: String?
}

/// An open alert whose condition no longer stands.
public struct SettledAlert: Sendable {
    public let kind: AlertName
    public let subject: String
}

extension Session {
    /// Endpoints that have failed since before a moment, or were disabled by us, and nobody is told of.
    public func endpointsWithoutAlert(failingBefore moment: Timestamp, limit: Int) throws -> [StandingCondition] {
        try rows(
            """
            SELECT e.state, e.id, e.url, e.failing_since, e.state_reason FROM endpoints e
             WHERE ((e.state = 'failing' AND e.failing_since < \(moment))
                    OR (e.state = 'disabled' AND e.state_reason <> 'by hand'))
               AND NOT EXISTS (SELECT 1 FROM alerts a
                                WHERE a.kind = 'endpoint_' || e.state AND a.subject = e.id AND a.state <> 'resolved')
             ORDER BY e.id
             LIMIT \(limit)
            """
        ) { row in
            StandingCondition(
                kind: try row.text() == "failing" ? .endpointFailing : .endpointDisabled, endpoint: try row.id(),
                url: try row.text(), since: try row.optionalTime(), reason: try row.optionalText())
        }
    }

    /// Alerts about endpoints that are well, gone or otherwise ill, and about dead jobs that were done after all: by
    /// the job itself, by another about the same event, or because nobody keeps them any more.
    public func settledAlerts(_ limit: Int) throws -> [SettledAlert] {
        let found = try rows(
            """
            SELECT a.kind, a.subject FROM alerts a
             WHERE a.state <> 'resolved'
               AND ((a.kind IN ('endpoint_failing', 'endpoint_disabled')
                     AND NOT EXISTS (SELECT 1 FROM endpoints e
                                      WHERE e.id = a.subject AND 'endpoint_' || e.state = a.kind))
                    OR (a.kind = 'job_dead'
                        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = a.subject)
                        AND NOT EXISTS (SELECT 1 FROM jobs_done d
                                          LEFT JOIN events e ON e.id = d.subject
                                         WHERE d.id = a.subject AND d.state = 'dead'
                                           AND (e.id IS NULL OR e.state = 'failed'))))
             ORDER BY a.kind, a.subject
             LIMIT \(limit)
            """
        ) { row in (kind: AlertName(rawValue: try row.text()), subject: try row.text()) }
        return found.compactMap { alert in alert.kind.map { SettledAlert(kind: $0, subject: alert.subject) } }
    }
}
