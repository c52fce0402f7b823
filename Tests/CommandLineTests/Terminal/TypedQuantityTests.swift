import ArgumentParser
import Testing

@testable import tickertape

struct TypedQuantityTests {
    @Test(
        "Sizes are read with and without units",
        arguments: [
            ("4096", 4_096), ("64KiB", 65_536), ("64 KiB", 65_536), ("64kib", 65_536),
            ("10GiB", 10_737_418_240), ("1.5M", 1_572_864), ("1MB", 1_000_000), ("2T", 1 << 41),
            ("100b", 100), ("9007199254740991", TypedQuantity.most),
        ] as [(String, Int64)]
    )
    func bytes(text: String, value: Int64) throws {
        #expect(try TypedQuantity.bytes(text) == value)
    }

    @Test(
        "What is no size is refused",
        arguments: ["", "0", "-1", "KiB", "1XB", "1.5.5", "1e9", "0.1", "99999999T", "nan", "ten"]
    )
    func noBytes(text: String) {
        #expect(throws: (any Error).self) { try TypedQuantity.bytes(text) }
    }

    @Test(
        "Counts are read",
        arguments: [
            ("1", 1), ("10000", 10_000), ("10,000", 10_000), ("10_000", 10_000), ("10k", 10_000),
            ("1.5M", 1_500_000), ("9,007,199,254,740,991", TypedQuantity.most),
        ] as [(String, Int64)]
    )
    func count(text: String, value: Int64) throws {
        #expect(try TypedQuantity.count(text) == value)
    }

    @Test(
        "Rates are read, whole or not",
        arguments: [
            ("10", 10), ("0.5", 0.5), ("0.001", 0.001), ("10k", 10_000), ("1,000", 1_000),
            ("1.5k", 1_500),
        ] as [(String, Double)]
    )
    func rate(text: String, value: Double) throws {
        #expect(try TypedQuantity.rate(text) == value)
        #expect(Quantity.exact(0.05) == "0.05")
        #expect(Quantity.exact(5_000) == "5,000")
    }

    @Test(
        "What is no rate is refused",
        arguments: ["", "0", "-5", "-0.5", "0.0001", "x", "nan", "inf", "1e3", "0x1p3", "10/s"]
    )
    func noRate(text: String) {
        #expect(throws: (any Error).self) { try TypedQuantity.rate(text) == 2 }
    }

    @Test("What is no count is refused", arguments: ["", "0", "-5", "1.5", "10KiB", "x"])
    func noCount(text: String) {
        #expect(throws: (any Error).self) { try TypedQuantity.count(text) == 2 }
    }

    @Test(
        "Time spans are read",
        arguments: [
            ("90s", 90), ("10m", 600), ("10min", 600), ("12h", 43_200), ("30d", 2_592_000),
            ("2w", 1_209_600), ("1h30m", 5_400),
        ] as [(String, Int64)]
    )
    func seconds(text: String, value: Int64) throws {
        #expect(try TypedQuantity.seconds(text) == value)
    }

    @Test(
        "What is no time span is refused",
        arguments: [
            "", "30", "0s", "d", "1x", "-1d", "1h-3m", "1.5h", "9999999999999999w", "٣d", "1M",
            "1D",
            "1Min", "1h5M",
        ]
    )
    func noSeconds(text: String) {
        #expect(throws: (any Error).self) { try TypedQuantity.seconds(text) }
    }

    @Test(
        "What is wrong with a number is said",
        arguments: [
            ("1M", "1m is a minute; for a month say 30d"), ("1D", "small"), ("0", "at least 1s"),
            ("0s", "at least 1s"), ("-5", "at least 1s"), ("30", "say the unit"),
            ("99999999999999999999d", "too large"),
        ]
    )
    func wrongSpans(text: String, part: String) {
        let error = #expect(throws: ValidationError.self) { try TypedQuantity.seconds(text) }
        #expect(error?.message.contains(part) == true)
    }

    @Test(
        "A size that is too small or too large is told from one that is none",
        arguments: [
            ("99999999999999999999GiB", "too large"), ("99999999999999999999", "too large"),
            ("9007199254740992", "too large"), ("0", "at least 1"), ("0GiB", "at least 1"),
            ("-1", "at least 1"), ("-1GiB", "at least 1"), ("x", "looks like"),
        ]
    )
    func wrongSizes(text: String, part: String) {
        let error = #expect(throws: ValidationError.self) { try TypedQuantity.bytes(text) }
        #expect(error?.message.contains(part) == true)
    }

    @Test("An id may have the commas of a table, where a table has them")
    func ids() throws {
        #expect(try TypedQuantity.id("1043") == 1_043)
        #expect(try TypedQuantity.id("1,043") == 1_043)
        #expect(try TypedQuantity.id("12,154,000") == 12_154_000)
        for text in ["", "10,43", "1,0430", ",043", "30d", "-1", "٣"] {
            #expect(try TypedQuantity.id(text) == nil, "\(text)")
        }
        #expect(throws: ValidationError.self) { try TypedQuantity.id("99999999999999999999") }
    }
}
