import Testing
import TickertapeWire

@testable import tickertape

struct TypedTimeTests {
    @Test(
        "Times are read, and mean UTC where they do not say",
        arguments: [
            ("2026-01-02T09:30:00.125Z", "2026-01-02T09:30:00.125Z"),
            ("2026-01-02T09:30:00+02:00", "2026-01-02T07:30:00.000Z"),
            ("2026-01-02T00:30:00-01:30", "2026-01-02T02:00:00.000Z"),
            ("2026-01-02 09:30", "2026-01-02T09:30:00.000Z"),
            ("2026-01-02", "2026-01-02T00:00:00.000Z"),
            ("2024-02-29t23:59:59.9z", "2024-02-29T23:59:59.900Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999Z"),
            ("2000-03-01", "2000-03-01T00:00:00.000Z"),
        ]
    )
    func read(text: String, meaning: String) throws {
        let milliseconds = try #require(TypedTime.milliseconds(text))
        #expect(rfc3339(milliseconds: milliseconds) == meaning)
    }

    @Test(
        "What is no time is refused",
        arguments: [
            "", "yesterday", "2026", "2026-13-01", "2026-02-30", "2025-02-29", "2026-01-02T25:00",
            "2026-01-02T09:60Z", "2026-01-02T09:30:00+24:00", "2026-01-02T09", "26-01-02",
        ]
    )
    func refused(text: String) {
        #expect(TypedTime.milliseconds(text) == nil)
    }

    @Test("Every day of four centuries is the day the calendar has")
    func everyDay() {
        for day in stride(from: Int64(-90_000), to: 90_000, by: 7) {
            let text = rfc3339(milliseconds: day * 86_400_000)
            #expect(TypedTime.milliseconds(text) == day * 86_400_000, "\(text)")
        }
    }

    @Test("A moment may be an age, counted from now")
    func moment() throws {
        let now: Int64 = 1_767_346_200_000
        #expect(
            try TypedTime.moment("10m", nowMilliseconds: now)
                == rfc3339(milliseconds: now - 600_000)
        )
        #expect(
            try TypedTime.moment("9999w", nowMilliseconds: now) == "1970-01-01T00:00:00.000Z"
        )
        #expect(throws: (any Error).self) { try TypedTime.moment("soon", nowMilliseconds: now) }
        #expect(throws: (any Error).self) { try TypedTime.moment("10", nowMilliseconds: now) }
        // A minute to one, a month to the other: what is older would be gone.
        #expect(throws: (any Error).self) { try TypedTime.moment("1M", nowMilliseconds: now) }
    }
}
