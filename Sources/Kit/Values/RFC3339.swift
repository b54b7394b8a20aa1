extension Timestamp {
    /// `2026-11-28T10:15:00.123456Z`; six digits of fraction, always.
    public var rfc3339: String {
        let date = CivilDate(day: day)
        let secondOfDay = Int(seconds - day * 86_400)
        let fraction = Int((microseconds % 1_000_000 + 1_000_000) % 1_000_000)
        var text: [UInt8] = []
        text.reserveCapacity(27)
        func append(_ value: Int, digits: Int) {
            var divisor = 1
            for _ in 1..<digits { divisor *= 10 }
            while divisor > 0 {
                text.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
                divisor /= 10
            }
        }
        // Years outside 0000 to 9999 cannot be written in RFC 3339; they are shown as its ends.
        append(Int(max(0, min(9999, date.year))), digits: 4)
        text.append(UInt8(ascii: "-"))
        append(date.month, digits: 2)
        text.append(UInt8(ascii: "-"))
        append(date.dayOfMonth, digits: 2)
        text.append(UInt8(ascii: "T"))
        append(secondOfDay / 3600, digits: 2)
        text.append(UInt8(ascii: ":"))
        append(secondOfDay / 60 % 60, digits: 2)
        text.append(UInt8(ascii: ":"))
        append(secondOfDay % 60, digits: 2)
        text.append(UInt8(ascii: "."))
        append(fraction, digits: 6)
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads RFC 3339 and its usual variants: `T`, `t` or a blank between, a fraction of any length (cut at
    /// microseconds), `Z`, `+02:00` or `+0200`. Nil for anything else; a zone is required. Nil too for what its zone
    /// moves out of the years 0000 to 9999, which could not be written again.
    public init?(rfc3339 text: String) {
        var reader = Digits(bytes: Array(text.utf8))
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.take("T", "t", " "), let hour = reader.number(2), reader.take(":"),
            let minute = reader.number(2), reader.take(":"), let second = reader.number(2),
            (1...12).contains(month), hour < 24, minute < 60, second <= 60
        else { return nil }
        let civil = CivilDate(year: Int64(year), month: month, dayOfMonth: day)
        guard day >= 1, CivilDate(day: civil.dayNumber) == civil else { return nil }
        let fraction = reader.fraction()
        guard let fraction, let zone = reader.zone(), reader.isAtEnd else { return nil }
        let time = Int64(hour * 3600 + minute * 60 + second) - Int64(zone)
        self.init(microseconds: (civil.dayNumber * 86_400 + time) * 1_000_000 + Int64(fraction))
        guard (0...9999).contains(CivilDate(day: self.day).year) else { return nil }
    }
}

/// A day of the Gregorian calendar; conversions after Howard Hinnant's "days from civil".
public struct CivilDate: Sendable, Equatable {
    public let year: Int64
    /// 1 to 12.
    public let month: Int
    /// 1 to 31.
    public let dayOfMonth: Int

    public init(year: Int64, month: Int, dayOfMonth: Int) {
        self.year = year
        self.month = month
        self.dayOfMonth = dayOfMonth
    }

    /// - Parameter day: days since 1970.
    public init(day: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        dayOfMonth = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970.
    public var dayNumber: Int64 {
        let shifted = year - (month <= 2 ? 1 : 0)
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// Reads fixed-width numbers from ASCII, left to right.
private struct Digits {
    let bytes: [UInt8]
    var position = 0

    var isAtEnd: Bool { position == bytes.count }

    mutating func number(_ width: Int) -> Int? {
        guard position + width <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[position..<position + width] {
            guard byte.isDigit else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        position += width
        return value
    }

    mutating func take(_ choices: Character...) -> Bool {
        guard position < bytes.count, choices.contains(where: { $0.asciiValue == bytes[position] }) else {
            return false
        }
        position += 1
        return true
    }

    /// Microseconds after the point; 0 where there is no point; nil where a point has no digits.
    mutating func fraction() -> Int? {
        guard take(".") else { return 0 }
        var value = 0
        var count = 0
        while let digit = number(1) {
            if count < 6 { value = value * 10 + digit }
            count += 1
        }
        guard count > 0 else { return nil }
        for _ in 0..<max(0, 6 - count) { value *= 10 }
        return value
    }

    /// Seconds east of UTC.
    mutating func zone() -> Int? {
        if take("Z", "z") { return 0 }
        let sign = take("+") ? 1 : take("-") ? -1 : 0
        guard sign != 0, let hours = number(2) else { return nil }
        _ = take(":")
        guard let minutes = number(2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }
}
