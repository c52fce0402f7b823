import Testing
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeAdmin

struct TimeParsingTests {
    @Test(
        "A time is read to the millisecond, whatever its offset",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.001Z", 1),
            ("2026-01-02T09:30:00.125Z", 1_767_346_200_125),
            ("2026-01-02T10:30:00.125+01:00", 1_767_346_200_125),
            ("2026-01-02T04:00:00.125-05:30", 1_767_346_200_125),
            ("2026-01-02t09:30:00.1259999z", 1_767_346_200_125),
            ("2026-01-02 09:30:00.1Z", 1_767_346_200_100),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000), ("1969-12-31T23:59:59.999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ]
    )
    func times(_ text: String, _ milliseconds: Int) {
        #expect(millisecondsSince1970(rfc3339: text) == Int64(milliseconds))
    }

    @Test(
        "What is no such time is refused",
        arguments: [
            "", "now", "2026-01-02", "2026-01-02T09:30:00", "2026-1-2T09:30:00Z",
            "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-32T00:00:00Z",
            "2026-01-02T24:00:00Z", "2026-01-02T09:60:00Z", "2026-01-02T09:30:61Z",
            "2026-01-02T09:30:00.Z", "2026-01-02T09:30:00+1:00", "2026-01-02T09:30:00+24:00",
            "2026-01-02T09:30:00Z ", "+2026-01-02T09:30:00Z", "２026-01-02T09:30:00Z",
        ]
    )
    func malformed(_ text: String) {
        #expect(millisecondsSince1970(rfc3339: text) == nil)
    }

    @Test("Every time that is written is read back")
    func roundTrip() {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<20_000 {
            let milliseconds = Int64(random.int(0...4_102_444_800_000))
            let text = rfc3339(milliseconds: milliseconds)
            #expect(millisecondsSince1970(rfc3339: text) == milliseconds, "\(text), \(seed)")
        }
    }
}
