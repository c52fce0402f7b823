import Testing

@testable import tickertape

struct TypedQuantityTests {
    @Test(
        "Sizes are read with and without units",
        arguments: [
            ("4096", 4_096), ("64KiB", 65_536), ("64 KiB", 65_536), ("64kib", 65_536),
            ("10GiB", 10_737_418_240), ("1.5M", 1_572_864), ("1MB", 1_000_000), ("2T", 1 << 41),
            ("100b", 100), ("4611686018427387904", 1 << 62),
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
            ("1.5M", 1_500_000), ("9223372036854775807", Int64.max),
        ] as [(String, Int64)]
    )
    func count(text: String, value: Int64) throws {
        #expect(try TypedQuantity.count(text) == value)
    }

    @Test("What is no count is refused", arguments: ["", "0", "-5", "1.5", "10KiB", "x"])
    func noCount(text: String) {
        #expect(throws: (any Error).self) { try TypedQuantity.count(text) == 2 }
    }

    @Test(
        "Time spans are read",
        arguments: [
            ("90s", 90), ("10m", 600), ("10min", 600), ("12h", 43_200), ("30d", 2_592_000),
            ("2w", 1_209_600), ("1h30m", 5_400), ("1D", 86_400),
        ] as [(String, Int64)]
    )
    func seconds(text: String, value: Int64) throws {
        #expect(try TypedQuantity.seconds(text) == value)
    }

    @Test(
        "What is no time span is refused",
        arguments: ["", "30", "0s", "d", "1x", "-1d", "1h-3m", "1.5h", "9999999999999999w", "٣d"]
    )
    func noSeconds(text: String) {
        #expect(throws: (any Error).self) { try TypedQuantity.seconds(text) }
    }
}
