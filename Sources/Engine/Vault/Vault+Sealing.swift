import Kit

extension Vault: Sealing {
    public func seal(_ bytes: [UInt8], context: String) throws -> Sealed {
        try seal(Secret(bytes), in: Self.place(of: context))
    }
    public func open(_ sealed: Sealed, context: String) throws -> [UInt8] {
        try open(sealed, in: Self.place(of: context)).reveal { $0 }
    }

    /// The place of what is sealed for a context.
    static func place(of context: String) -> Place { Place(table: "sealed", row: context) }
}
