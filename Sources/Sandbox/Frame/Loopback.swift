import Kit

/// Whether an address is this machine itself. A sandbox sends nowhere else: nobody outside asked for its events.
func isLoopback(_ address: String) -> Bool {
    (try? OutsideURL(address))?.isOnThisMachine ?? false  // What is no address is not sent to.
}
