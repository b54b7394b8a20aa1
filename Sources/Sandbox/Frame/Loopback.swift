import Kit

/// Whether an address is this machine itself. A sandbox sends nowhere else: nobody outside asked for its events.
func isLoopback(_ address: String) -> Bool {
    guard let url = try? OutsideURL(address) else { return false }  // What is no address is not sent to.
    switch url.host {
    case .name(let name): return name == "localhost" || name.hasSuffix(".localhost")
    case .address(let address): return ["127.0.0.0/8", "::1"].compactMap { CIDR($0) }.contains { $0.contains(address) }
    }
}
