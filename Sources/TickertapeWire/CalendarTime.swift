/// A moment in UTC, split as calendars do.
///
/// By the civil-from-days method of the proleptic Gregorian calendar; Foundation's formatters
/// cost microseconds and a lock where history pages have a thousand times.
package struct CalendarTime {
    package let year: Int64
    package let month: Int64
    package let day: Int64
    package let hour: Int64
    package let minute: Int64
    package let second: Int64
    package let millisecond: Int64
    /// 0 is Sunday.
    package let weekday: Int64

    /// - Parameter milliseconds: Since 1970-01-01T00:00:00Z.
    package init(milliseconds: Int64) {
        let days = milliseconds.flooredQuotient(by: 86_400_000)
        let inDay = milliseconds - days * 86_400_000
        self.hour = inDay / 3_600_000
        self.minute = inDay / 60_000 % 60
        self.second = inDay / 1_000 % 60
        self.millisecond = inDay % 1_000
        self.weekday = (days + 4) - (days + 4).flooredQuotient(by: 7) * 7
        // Years are counted from 0000-03-01, so that a leap day is the last of its year.
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        self.day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        self.month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        self.year = yearOfEra + era * 400 + (self.month <= 2 ? 1 : 0)
    }
}

/// RFC 3339 with milliseconds: `2026-01-02T09:30:00.125Z`.
package func rfc3339(milliseconds: Int64) -> String {
    let time = CalendarTime(milliseconds: milliseconds)
    let date = "\(padded(time.year, 4))-\(padded(time.month, 2))-\(padded(time.day, 2))"
    let clock = "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2))"
    return "\(date)T\(clock).\(padded(time.millisecond, 3))Z"
}

/// The format of a `Date` field (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
package func httpDate(milliseconds: Int64) -> String {
    let time = CalendarTime(milliseconds: milliseconds)
    let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let date = "\(padded(time.day, 2)) \(months[Int(time.month) - 1]) \(padded(time.year, 4))"
    let clock = "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2))"
    return "\(weekdays[Int(time.weekday)]), \(date) \(clock) GMT"
}

private func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}

extension Int64 {
    fileprivate func flooredQuotient(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
