/// Which addresses may be dialled when somebody else named them. Asked for literal addresses, for every answer of
/// the resolver (one refused answer refuses all), and again on every redirect; what was asked about is what is dialled.
public enum SafeAddress {
    /// Why the address is not dialled; nil where it may be.
    /// - Parameter allowed: ranges that the operator has opened all the same.
    public static func refusal(of address: IPAddress, allowing allowed: [CIDR] = []) -> String? {
        guard !allowed.contains(where: { $0.contains(address) }),
            let (range, use) = refused.first(where: { $0.range.contains(address) })
        else { return nil }
        return "\(address) is in \(range) (\(use)), which is never dialled for others. "
            + "An operator can open it with PATCHBAY_ALLOW_PRIVATE_ADDRESSES."
    }

    /// Reads a URL that somebody else named and holds it to the rules.
    ///
    /// - Parameters:
    ///   - allowHTTP: whether plain HTTP will do, as it does in development.
    ///   - allowed: as for `refusal(of:allowing:)`; the host's addresses are still to be asked about once resolved.
    public static func check(
        _ text: String, allowHTTP: Bool = false, allowing allowed: [CIDR] = []
    ) throws(BadAddress) -> OutsideURL {
        let url = try OutsideURL(text)
        guard url.scheme == .https || allowHTTP else { throw BadAddress("The address must begin with https://.") }
        // Below 1024 live services that a stray POST can upset, such as mail.
        guard [80, 443].contains(url.port) || url.port >= 1024 else {
            throw BadAddress("Port \(url.port) is not allowed. Use 80, 443, or one from 1024.")
        }
        if case .address(let address) = url.host, let reason = refusal(of: address, allowing: allowed) {
            throw BadAddress(reason)
        }
        return url
    }

    /// The union of what Svix, smokescreen and Nango refuse, and what each range is for.
    static let refused: [(range: CIDR, use: String)] = [
        ("0.0.0.0/8", "this host"), ("10.0.0.0/8", "private"), ("100.64.0.0/10", "carrier's private"),
        ("127.0.0.0/8", "loopback"), ("169.254.0.0/16", "link-local, cloud metadata"), ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocols"), ("192.0.2.0/24", "documentation"), ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"), ("198.18.0.0/15", "benchmarks"), ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"), ("224.0.0.0/4", "multicast"), ("240.0.0.0/4", "reserved, broadcast"),
        ("::/128", "unspecified"), ("::1/128", "loopback"), ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "local NAT64"), ("100::/64", "discard"), ("2001::/32", "Teredo"),
        ("2001:db8::/32", "documentation"), ("2002::/16", "6to4"), ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"), ("fc00::/7", "private"), ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    ].map { text, use in
        guard let range = CIDR(text) else { preconditionFailure("\(text) is no range") }
        return (range, use)
    }
}
