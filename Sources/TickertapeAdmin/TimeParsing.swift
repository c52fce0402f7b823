/// Reads a time of RFC 3339: `2026-01-02T09:30:00.125Z`, or with an offset such as `+02:00`.
///
/// - Returns: Milliseconds since 1970-01-01T00:00:00Z; nothing when it is no such time.
func millisecondsSince1970(rfc3339 text: String) -> Int64? {
    var rest = Array(text.utf8)[...]
    guard let year = takeNumber(4, &rest), take("-", &rest),
        let month = takeNumber(2, &rest), take("-", &rest),
        let day = takeNumber(2, &rest), take("T", &rest) || take("t", &rest) || take(" ", &rest),
        let hour = takeNumber(2, &rest), take(":", &rest),
        let minute = takeNumber(2, &rest), take(":", &rest),
        let second = takeNumber(2, &rest),
        (1...12).contains(month), (1...daysOfMonth(month, year)).contains(day),
        // A leap second counts as the first of the next minute.
        hour < 24, minute < 60, second <= 60
    else { return nil }
    var milliseconds: Int64 = 0
    if take(".", &rest) {
        guard let first = rest.first, isDigit(first) else { return nil }
        var weight: Int64 = 100
        while let digit = rest.first, isDigit(digit) {
            milliseconds += Int64(digit - UInt8(ascii: "0")) * weight
            weight /= 10
            rest.removeFirst()
        }
    }
    guard let offset = takeOffset(&rest), rest.isEmpty else { return nil }
    let minutes = (daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offset
    return (minutes * 60 + second) * 1_000 + milliseconds
}

/// Minutes east of Greenwich.
private func takeOffset(_ rest: inout ArraySlice<UInt8>) -> Int64? {
    if take("Z", &rest) || take("z", &rest) { return 0 }
    let sign: Int64 = take("-", &rest) ? -1 : take("+", &rest) ? 1 : 0
    guard sign != 0, let hours = takeNumber(2, &rest), take(":", &rest),
        let minutes = takeNumber(2, &rest), hours < 24, minutes < 60
    else { return nil }
    return sign * (hours * 60 + minutes)
}

private func take(_ letter: Unicode.Scalar, _ rest: inout ArraySlice<UInt8>) -> Bool {
    guard rest.first == UInt8(ascii: letter) else { return false }
    rest.removeFirst()
    return true
}

private func takeNumber(_ digits: Int, _ rest: inout ArraySlice<UInt8>) -> Int64? {
    guard rest.count >= digits, rest.prefix(digits).allSatisfy(isDigit) else { return nil }
    let number = rest.prefix(digits).reduce(Int64(0)) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    rest.removeFirst(digits)
    return number
}

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}

private func daysOfMonth(_ month: Int64, _ year: Int64) -> Int64 {
    switch month {
    case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// The inverse of what `CalendarTime` does; years are counted from March, so that a leap day is the
/// last of its year.
private func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
}
