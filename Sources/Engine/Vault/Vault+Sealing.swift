import Kit

extension Vault: Sealing {
    public func seal(_ bytes: [UInt8], context: String) throws -> Sealed {
        try seal(Secret(bytes), in: Place(table: "sealed", row: context))
    }
    public func open(_ sealed: Sealed, context: String) throws -> [UInt8] {
        try open(sealed, in: Place(table: "sealed", row: context)).reveal { $0 }
    }
}
