public import Kit

/// A body that may become smaller, with what proves that it is still the same when it is stored anew.
public struct LooseBody: Sendable {
    public let id: String
    public let bytes: [UInt8]
    let checksum: Int64
}

/// A part of the bodies, in the order in which they came.
public struct LooseBodies: Sendable {
    public let bodies: [LooseBody]
    /// The last that was looked at; nil when there was none.
    public let last: String?
}

extension Session {
    private static var compressedTo: String { "bodies_compressed_to" }

    /// Bodies that came before a moment and were not looked at yet: at most `limit` rows, and of those worth the work
    /// as many as have `bytesMax` bytes together, one at least.
    public func looseBodies(before moment: Timestamp, limit: Int, bytesMax: Int) throws -> LooseBodies {
        let seen = try rows(
            """
            SELECT id, length(bytes), encoding FROM bodies
             WHERE id > \(try instanceFact(Self.compressedTo) ?? "") AND id < \(ID<DeliveryKind>.floor(moment))
             ORDER BY id
             LIMIT \(limit)
            """
        ) { row in (id: try row.text(), size: Int(try row.integer()), encoding: try row.text()) }
        var (last, total): (String?, Int) = (nil, 0)
        var wanted: [String] = []
        for body in seen {
            let isWorth = body.encoding == BodyCoding.raw && body.size >= BodyCoding.bytesMin
            if isWorth {
                guard wanted.isEmpty || total + body.size <= bytesMax else { break }
                total += body.size
                wanted.append(body.id)
            }
            last = body.id
        }
        guard !wanted.isEmpty else { return LooseBodies(bodies: [], last: last) }
        let bodies = try rows("SELECT id, bytes, checksum FROM bodies WHERE id IN (\(SQL.list(wanted)))") { row in
            LooseBody(id: try row.text(), bytes: try row.blob(), checksum: try row.integer())
        }
        return LooseBodies(bodies: bodies, last: last)
    }

    /// Stores bodies compressed, those that are still what they were, and notes how far this has come.
    ///
    /// - Returns: how many are stored so.
    public func compress(_ packed: [(body: LooseBody, stored: [UInt8])], upTo last: String) throws -> Int {
        var count = 0
        for (body, stored) in packed.sorted(by: { $0.body.id < $1.body.id }) {
            count += try run(
                """
                UPDATE bodies
                   SET bytes = \(stored), encoding = \(BodyCoding.zlib) \(dialect.movingRow(of: "bodies"))
                 WHERE id = \(body.id) AND encoding = \(BodyCoding.raw) AND checksum = \(body.checksum)
                """)
        }
        try setInstanceFact(Self.compressedTo, last)
        return count
    }
}
