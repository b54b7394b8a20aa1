public import Kit

/// A body that may become smaller, with what proves that it is still the same when it is stored anew.
public struct LooseBody: Sendable {
    public let id: String
    public let bytes: [UInt8]
    let encoding: String
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
            let isLoose = body.encoding == BodyCoding.raw || body.encoding == BodyCoding.sealed
            let isWorth = isLoose && body.size >= BodyCoding.bytesMin
            if isWorth {
                guard wanted.isEmpty || total + body.size <= bytesMax else { break }
                total += body.size
                wanted.append(body.id)
            }
            last = body.id
        }
        guard !wanted.isEmpty else { return LooseBodies(bodies: [], last: last) }
        let encodings = Dictionary(uniqueKeysWithValues: seen.map { ($0.id, $0.encoding) })
        let bodies = try rows(
            "SELECT id, bytes, encoding, checksum FROM bodies WHERE id IN (\(SQL.list(wanted)))"
        ) { row in (id: try row.text(), body: try row.storedBody()) }
        // One that is sealed and cannot be opened stays as it is.
        let loose = bodies.filter { $0.body.encoding == BodyCoding.raw }.map { id, body in
            LooseBody(
                id: id, bytes: body.stored, encoding: encodings[id] ?? BodyCoding.raw, checksum: body.checksum)
        }
        return LooseBodies(bodies: loose, last: last)
    }

    /// Stores bodies compressed, those that are still what they were, and notes how far this has come.
    ///
    /// - Returns: how many are stored so.
    public func compress(_ packed: [(body: LooseBody, stored: [UInt8])], upTo last: String) throws -> Int {
        var count = 0
        for (body, stored) in packed.sorted(by: { $0.body.id < $1.body.id }) {
            let form = try form(of: body.bytes, packed: stored)
            count += try run(
                """
                UPDATE bodies
                   SET bytes = \(form.bytes), encoding = \(form.encoding), key_id = \(form.keyID)
                       \(dialect.movingRow(of: "bodies"))
                 WHERE id = \(body.id) AND encoding = \(body.encoding) AND checksum = \(body.checksum)
                """)
        }
        try setInstanceFact(Self.compressedTo, last)
        return count
    }
}
