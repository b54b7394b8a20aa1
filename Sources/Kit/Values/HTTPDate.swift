extension Timestamp {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    /// As RFC 9110 wants a date to be sent, in whole seconds.
    public var httpDate: String {
        let text = rfc3339
        let parts = text.prefix(19).split { $0 == "-" || $0 == "T" }
        let weekday = Self.weekdays[Int((day % 7 + 7) % 7)]
        guard parts.count == 4, let month = Int(parts[1]), Self.months.indices.contains(month - 1) else { return text }
        return "\(weekday), \(parts[2]) \(Self.months[month - 1]) \(parts[0]) \(parts[3]) GMT"
    }
}
