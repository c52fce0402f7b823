import Testing

@testable import tickertape

struct QuantityTests {
    @Test(
        "Counts have separators",
        arguments: [
            (0, "0"), (999, "999"), (1_000, "1,000"), (12_154, "12,154"),
            (-1_234_567, "-1,234,567"),
            (Int64.max, "9,223,372,036,854,775,807"), (Int64.min, "-9,223,372,036,854,775,808"),
        ] as [(Int64, String)]
    )
    func count(value: Int64, text: String) {
        #expect(Quantity.count(value) == text)
    }

    @Test(
        "Sizes have the unit that keeps them short",
        arguments: [
            (0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"), (10_737_418_240, "10.0 GiB"), (107_374_182_400, "100 GiB"),
            (Int64.max, "8192 PiB"),
        ] as [(Int64, String)]
    )
    func bytes(value: Int64, text: String) {
        #expect(Quantity.bytes(value) == text)
    }

    @Test(
        "Rates are as precise as they are small",
        arguments: [
            (0, "0/s"), (0.001, "0/s"), (0.25, "0.25/s"), (3.14, "3.1/s"), (99.96, "100/s"),
            (5_000.4, "5,000/s"), (1e300, "1,000,000,000,000,000/s"),
        ]
    )
    func rate(value: Double, text: String) {
        #expect(Quantity.rate(value) == text)
    }

    @Test(
        "Durations have two units at most",
        arguments: [
            (0, "0 s"), (0.000_05, "50 µs"), (0.0023, "2.3 ms"), (0.25, "250 ms"), (1.25, "1.2 s"),
            (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (12_345, "3 h 25 min"),
            (86_400, "1 d"), (90_061, "1 d 1 h"),
        ]
    )
    func duration(seconds: Double, text: String) {
        #expect(Quantity.duration(seconds: seconds) == text)
    }

    @Test(
        "An age is shown as it would be typed, and means the same",
        arguments: [1, 59, 60, 90, 3_600, 5_400, 86_400, 2_592_000] as [Int64]
    )
    func age(seconds: Int64) throws {
        #expect(try TypedQuantity.seconds(Quantity.age(seconds: seconds)) == seconds)
    }

    @Test("Short counts and nouns")
    func words() {
        #expect(Quantity.shortCount(12_154) == "12.2k")
        #expect(Quantity.shortCount(3.4) == "3.4")
        #expect(Quantity.shortCount(999.99) == "1.0k")
        #expect(Quantity.counted(1, "message") == "1 message")
        #expect(Quantity.counted(0, "message") == "0 messages")
        #expect(Quantity.counted(2, "reply", "replies") == "2 replies")
    }
}
