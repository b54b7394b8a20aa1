public import Kit

extension Session {
    /// Which of a platform's own event ids are kept here.
    ///
    /// Reads the events from `since` on in their order; what is not among them is looked up one by one.
    public func kept(_ ids: Set<String>, of provider: String, since: Timestamp, at now: Timestamp) throws -> Set<String>
    {
        var missing = ids
        var last = ID<EventKind>.first(at: since).text
        while !missing.isEmpty {
            let page = try rows(
                """
                SELECT id, provider, provider_event_id FROM events
                 WHERE id > \(last)
                 ORDER BY id
                 LIMIT \(Self.witnessPage)
                """
            ) { (id: try $0.text(), provider: try $0.text(), name: try $0.optionalText()) }
            for row in page where row.provider == provider { if let name = row.name { missing.remove(name) } }
            guard page.count == Self.witnessPage, let end = page.last else { break }
            last = end.id
        }
        var filter = EventFilter()
        filter.provider = provider
        for id in missing.prefix(Self.lookupsMax)
        where try !events(providerEventID: id, filter, at: now).isEmpty {
            missing.remove(id)
        }
        return ids.subtracting(missing)
    }

    private static var witnessPage: Int { 5000 }
    /// Events that came long before: few, unless all is lost.
    private static var lookupsMax: Int { 200 }
}
