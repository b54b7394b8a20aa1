import CPQ

/// What the programs that come with PostgreSQL must know of an address.
public enum PostgresAddress {
    /// As variables of the environment, where no list of processes shows a password.
    public static func environment(_ url: String) throws -> [String: String] {
        var problem: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(url, &problem) else {
            PQfreemem(problem)
            throw StoreError.refused("The address of the database cannot be read.")
        }
        defer { PQconninfoFree(options) }
        var environment: [String: String] = [:]
        var option = options
        while option.pointee.keyword != nil {
            if let name = option.pointee.envvar, let value = option.pointee.val {
                environment[String(cString: name)] = String(cString: value)
            }
            option += 1
        }
        return environment
    }

    /// Removes our schema where nothing stands in it, so that a restored one can take its place.
    ///
    /// - Throws: what PostgreSQL says when something stands in it.
    public static func removeEmptySchema(_ url: String) throws {
        try PostgresConnection(url: url).execute("DROP SCHEMA IF EXISTS patchbay")
    }
}
