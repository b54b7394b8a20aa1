public import Kit

/// Any sender that signs with a shared secret, as the operator declares it.
public struct Generic: Provider {
    public let about = About(
        id: "generic", name: "Generic", version: "1", documentation: "https://www.rfc-editor.org/rfc/rfc2104")
    let declaration: Declaration

    public init() { declaration = .usual }
    public init(_ declaration: Declaration) { self.declaration = declaration }
}
