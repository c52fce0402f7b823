import Foundation

/// Numbers as people read them.
enum Quantity {
    /// `12,154`.
    static func count(_ value: Int64) -> String {
        var digits = String(value.magnitude)
        var groups: [Substring] = []
        while digits.utf8.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits = String(digits.dropLast(3))
        }
        let text = ([digits[...]] + groups).joined(separator: ",")
        return value < 0 ? "-" + text : text
    }

    /// `12.2k`, for where there is little room.
    static func shortCount(_ value: Double) -> String {
        Self.scaled(value, by: 1_000, units: ["", "k", "M", "G", "T"], separator: "")
    }

    /// `1.2 MiB`.
    static func bytes(_ value: Int64) -> String {
        guard value.magnitude >= 1_024 else { return "\(value) B" }
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        return Self.scaled(Double(value), by: 1_024, units: units, separator: " ")
    }

    /// `5,000/s`, `0.3/s`; nothing happening is `0/s`.
    static func rate(_ perSecond: Double) -> String {
        if perSecond < 0.005 { return "0/s" }
        if perSecond < 1 { return Self.decimal(perSecond, places: 2) + "/s" }
        if perSecond < 99.95 { return Self.decimal(perSecond, places: 1) + "/s" }
        return Self.count(Int64(min(perSecond.rounded(), 1e15))) + "/s"
    }

    /// A number as it was set: `5,000`, `0.05`.
    static func exact(_ value: Double) -> String {
        Int64(exactly: value).map(Self.count) ?? "\(value)"
    }

    /// `1.2 MiB/s`.
    static func bytesRate(_ perSecond: Double) -> String {
        Self.bytes(Int64(min(perSecond.rounded(), 1e15))) + "/s"
    }

    /// `3 d 4 h`: the two largest units, for times of a second and more.
    static func duration(seconds: Double) -> String {
        guard seconds >= 1 else { return Self.latency(seconds: seconds) }
        if seconds < 10 { return Self.decimal(seconds, places: 1) + " s" }
        let whole = Int64(min(seconds, 1e15))
        let units: [(name: String, seconds: Int64)] = [
            ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1),
        ]
        let first = units.firstIndex { whole >= $0.seconds } ?? units.endIndex - 1
        var text = "\(Self.count(whole / units[first].seconds)) \(units[first].name)"
        if first + 1 < units.endIndex {
            let rest = whole % units[first].seconds / units[first + 1].seconds
            if rest > 0 { text += " \(rest) \(units[first + 1].name)" }
        }
        return text
    }

    /// `1.25 ms`.
    static func latency(seconds: Double) -> String {
        if seconds <= 0 { return "0 s" }
        if seconds < 0.001 { return Self.decimal(seconds * 1e6, places: 0) + " µs" }
        if seconds < 0.1 { return Self.decimal(seconds * 1e3, places: 1) + " ms" }
        if seconds < 1 { return Self.decimal(seconds * 1e3, places: 0) + " ms" }
        return Self.decimal(seconds, places: 2) + " s"
    }

    /// The age of a limit as it would be typed: `30d`, `90s`.
    static func age(seconds: Int64) -> String {
        for (name, unit) in [("d", 86_400), ("h", 3_600), ("m", 60)] as [(String, Int64)]
        where seconds >= unit && seconds % unit == 0 {
            return "\(seconds / unit)\(name)"
        }
        return "\(seconds)s"
    }

    /// `1 message`, `2 messages`.
    static func counted(_ value: Int64, _ noun: String, _ plural: String? = nil) -> String {
        "\(Self.count(value)) \(value == 1 ? noun : plural ?? noun + "s")"
    }

    private static func scaled(
        _ value: Double,
        by step: Double,
        units: [String],
        separator: String
    ) -> String {
        var value = value
        var index = 0
        // 999.95 would be shown as 1000.0.
        while value.magnitude >= step - 0.05, index < units.count - 1 {
            value /= step
            index += 1
        }
        let isWhole = index == 0 && value == value.rounded()
        let places = isWhole || value.magnitude >= 99.95 ? 0 : 1
        return Self.decimal(value, places: places) + separator + units[index]
    }

    private static func decimal(_ value: Double, places: Int) -> String {
        String(format: "%.\(places)f", value)
    }
}
