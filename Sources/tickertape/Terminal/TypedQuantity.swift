import ArgumentParser
import TickertapeWire

/// Sizes, counts and times as people type them.
enum TypedQuantity {
    private static let sizeUnits: [String: Double] = [
        "": 1, "b": 1,
        "k": 0x1p10, "kib": 0x1p10, "m": 0x1p20, "mib": 0x1p20, "g": 0x1p30, "gib": 0x1p30,
        "t": 0x1p40, "tib": 0x1p40, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    ]
    private static let countUnits: [String: Double] = ["": 1, "k": 1e3, "m": 1e6, "g": 1e9]
    private static let durationUnits: [String: Int64] = [
        "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800,
    ]

    /// Bytes from `64KiB`, `10GiB`, `1.5G`, `1MB` or `4096`.
    ///
    /// - Throws: A sentence when it is none.
    static func bytes(_ text: String) throws -> Int64 {
        try Self.scaled(text, units: Self.sizeUnits)
            ?? Self.refuse("a size looks like 64KiB, 10GiB or 4096")
    }

    /// A count from `10000`, `10,000` or `10k`.
    ///
    /// - Throws: A sentence when it is none.
    static func count(_ text: String) throws -> Int64 {
        let plain = text.replacing(",", with: "").replacing("_", with: "")
        return try Self.scaled(plain, units: Self.countUnits)
            ?? Self.refuse("a count looks like 10000 or 10k")
    }

    /// Seconds from `30d`, `1h30m` or `90s`.
    ///
    /// - Throws: A sentence when it is none, or has no unit.
    static func seconds(_ text: String) throws -> Int64 {
        if Int64(text) != nil {
            throw ValidationError("say the unit, as in \(text)s or 30d")
        }
        return try Self.duration(text)
            ?? Self.refuse("a time span looks like 30d, 12h, 1h30m or 90s")
    }

    /// `nil` when the text is no time span.
    static func duration(_ text: String) -> Int64? {
        var rest = text.lowercased()[...]
        var total: Int64 = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let value = Int64(digits), let seconds = Self.durationUnits[String(unit)] else {
                return nil
            }
            let (product, isTooMuch) = value.multipliedReportingOverflow(by: seconds)
            let (sum, isTooMuchInAll) = total.addingReportingOverflow(product)
            guard !isTooMuch, !isTooMuchInAll else { return nil }
            total = sum
        }
        return total > 0 ? total : nil
    }

    private static func scaled(_ text: String, units: [String: Double]) -> Int64? {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
        guard let factor = units[unit] else { return nil }
        // Without a unit it is an integer, and stays one: a Double would round a large one.
        if factor == 1 { return Int64(number).flatMap { $0 >= 1 ? $0 : nil } }
        guard let value = Double(number), value.isFinite else { return nil }
        let scaled = (value * factor).rounded()
        return scaled >= 1 && scaled < 0x1p62 ? Int64(scaled) : nil
    }

    private static func refuse(_ sentence: String) throws -> Int64 {
        throw ValidationError(sentence)
    }
}
