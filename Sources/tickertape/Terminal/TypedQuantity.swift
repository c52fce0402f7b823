import ArgumentParser
import TickertapeCore
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

    /// The largest number that every reader of JSON has exactly, and the most the broker takes.
    static let most: Int64 = 9_007_199_254_740_991

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

    /// How many a second, from `10`, `0.5` or `10k`.
    ///
    /// - Throws: A sentence when it is none.
    static func rate(_ text: String) throws -> Double {
        guard let value = Double(text), value.isFinite, text.wholeMatch(of: /-?[0-9.]+/) != nil
        else { return Double(try Self.count(text)) }
        guard Policy.rates.contains(value) else {
            throw ValidationError(
                "it is from \(Policy.rates.lowerBound) to \(Quantity.count(Self.most))"
            )
        }
        return value
    }

    /// The id of a message or subscriber from `1043`, or `1,043` as tables show it.
    ///
    /// - Returns: `nil` when the text is no number.
    /// - Throws: When there is no such large id.
    static func id(_ text: String) throws -> Int64? {
        guard text.wholeMatch(of: /[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+/) != nil else { return nil }
        guard let id = Int64(text.replacing(",", with: "")) else {
            throw ValidationError("\(text) is larger than any id")
        }
        return id
    }

    /// The same, where nothing else will do.
    ///
    /// - Throws: A sentence when it is none.
    static func givenId(_ text: String) throws -> Int64 {
        try Self.id(text) ?? Self.refuse("an id is a number such as 1043")
    }

    /// Seconds from `30d`, `1h30m` or `90s`.
    ///
    /// - Throws: A sentence when it is none, or has no unit.
    static func seconds(_ text: String) throws -> Int64 {
        if let number = Int64(text) {
            guard number >= 1 else { throw ValidationError("it is at least 1s") }
            throw ValidationError("say the unit, as in \(text)s or 30d")
        }
        return try Self.duration(text)
            ?? Self.refuse("a time span looks like 30d, 12h, 1h30m or 90s")
    }

    /// `nil` when the text is no time span.
    ///
    /// - Throws: When it is none that could be meant: nothing, too much, or in large letters, where
    ///   `M` is a month to some.
    static func duration(_ text: String) throws -> Int64? {
        guard text.wholeMatch(of: /(?:[0-9]+[A-Za-z]+)+/) != nil else { return nil }
        var total: Int64 = 0
        for part in text.matches(of: /([0-9]+)([A-Za-z]+)/) {
            let (digits, unit) = (part.output.1, String(part.output.2))
            guard let seconds = Self.durationUnits[unit] else {
                guard Self.durationUnits[unit.lowercased()] != nil else { return nil }
                throw ValidationError(
                    unit == "M"
                        ? "1m is a minute; for a month say 30d"
                        : "units of time are written small: s, m, h, d, w"
                )
            }
            let (product, isTooMuch) = (Int64(digits) ?? .max)
                .multipliedReportingOverflow(by: seconds)
            let (sum, isTooMuchInAll) = total.addingReportingOverflow(product)
            guard !isTooMuch, !isTooMuchInAll else {
                throw ValidationError("it is too large")
            }
            total = sum
        }
        guard total >= 1 else { throw ValidationError("it is at least 1s") }
        return total
    }

    private static func scaled(_ text: String, units: [String: Double]) throws -> Int64? {
        if text.wholeMatch(of: /-[0-9.]+ ?[A-Za-z]*/) != nil {
            throw ValidationError("it is at least 1")
        }
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
        guard let factor = units[unit], let value = Double(number), value.isFinite,
            factor > 1 || !number.contains(".")
        else { return nil }
        let scaled = (value * factor).rounded()
        guard scaled >= 1 else { throw ValidationError("it is at least 1") }
        guard scaled <= Double(Self.most) else {
            throw ValidationError("it is too large: at most \(Quantity.count(Self.most))")
        }
        // Without a unit it is an integer, and stays one: a Double would round a large one.
        return factor == 1 ? Int64(number) : Int64(scaled)
    }

    private static func refuse(_ sentence: String) throws -> Int64 {
        throw ValidationError(sentence)
    }
}
