import ArgumentParser
import TickertapeWire

/// A moment as people type it.
enum TypedTime {
    /// Milliseconds since 1970 from RFC 3339, where the clock or its parts may be missing and no
    /// zone means UTC.
    static func milliseconds(_ text: String) -> Int64? {
        let form =
            /(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d:\d\d)?)?/
        guard let match = text.wholeMatch(of: form)?.output,
            let year = Int64(match.1), let month = Int64(match.2), let day = Int64(match.3)
        else { return nil }
        let hour = match.4.flatMap { Int64($0) } ?? 0
        let minute = match.5.flatMap { Int64($0) } ?? 0
        let second = match.6.flatMap { Int64($0) } ?? 0
        let fraction = match.7.map { ($0 + "000").prefix(3) }.flatMap { Int64($0) } ?? 0
        guard (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second),
            let offset = Self.offsetMinutes(match.8 ?? "Z")
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        // What the calendar makes of these days must be what was typed: 2026-02-30 is refused.
        let back = CalendarTime(milliseconds: days * 86_400_000)
        guard back.year == year, back.month == month, back.day == day else { return nil }
        let minutes = days * 1_440 + hour * 60 + minute - offset
        return (minutes * 60 + second) * 1_000 + fraction
    }

    /// The moment in RFC 3339, from the same or from an age such as `10m`.
    ///
    /// - Throws: A sentence when it is neither.
    static func moment(_ text: String, nowMilliseconds: Int64) throws -> String {
        if let milliseconds = Self.milliseconds(text) { return rfc3339(milliseconds: milliseconds) }
        if let seconds = try TypedQuantity.duration(text) {
            let (span, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000)
            // Further back than there are messages is the beginning.
            return rfc3339(milliseconds: isTooLong ? 0 : max(0, nowMilliseconds - span))
        }
        throw ValidationError("a time looks like 10m, 2h, 2026-01-31 or 2026-01-31T09:30:00Z")
    }

    private static func offsetMinutes(_ text: Substring) -> Int64? {
        guard let sign = text.first, sign == "+" || sign == "-" else { return 0 }
        let parts = text.dropFirst().split(separator: ":").compactMap { Int64($0) }
        guard parts.count == 2, parts[0] <= 23, parts[1] <= 59 else { return nil }
        return (parts[0] * 60 + parts[1]) * (sign == "-" ? -1 : 1)
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that a
    /// leap day is the last of its year.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }
}
