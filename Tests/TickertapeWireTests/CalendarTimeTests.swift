import Foundation
import Testing
import TickertapeTestSupport
import TickertapeWire

struct CalendarTimeTests {
    @Test(
        "A time is told as RFC 3339 with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-86_400_000, "1969-12-31T00:00:00.000Z"),
            (-11_676_096_000_001, "1599-12-31T23:59:59.999Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_740_700_800_000, "2025-02-28T00:00:00.000Z"),
            (1_740_787_200_000, "2025-03-01T00:00:00.000Z"),
            (1_767_346_200_125, "2026-01-02T09:30:00.125Z"),
            (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (13_574_563_200_000, "2400-02-29T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)]
    )
    func rfc3339Times(milliseconds: Int64, text: String) {
        #expect(rfc3339(milliseconds: milliseconds) == text)
    }

    @Test(
        "A date field names the day of the week",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_767_346_200_999, "Fri, 02 Jan 2026 09:30:00 GMT"),
            (4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] as [(Int64, String)]
    )
    func httpDates(milliseconds: Int64, text: String) {
        #expect(httpDate(milliseconds: milliseconds) == text)
    }

    @Test("Random times agree with the system's calendar")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<20_000 {
            let seconds = Int64.random(in: -62_135_596_800...253_402_300_799, using: &random)
            var moment = time_t(seconds)
            var fields = tm()
            gmtime_r(&moment, &fields)
            let time = CalendarTime(milliseconds: seconds * 1_000 + 7)
            let ours = [
                time.year - 1_900, time.month - 1, time.day, time.hour, time.minute, time.second,
                time.weekday,
            ]
            let theirs = [
                fields.tm_year, fields.tm_mon, fields.tm_mday, fields.tm_hour, fields.tm_min,
                fields.tm_sec, fields.tm_wday,
            ]
            guard ours != theirs.map(Int64.init) || time.millisecond != 7 else { continue }
            Issue.record("\(seconds) s is \(theirs), not \(ours), \(seed)")
            return
        }
    }
}
