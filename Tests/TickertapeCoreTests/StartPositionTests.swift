import Testing
import TickertapeCore

struct StartPositionTests {
    @Test(
        "Plain decimal digits are a cursor",
        arguments: [
            ("0", 0), ("1", 1), ("007", 7), ("1043", 1_043),
            ("9223372036854775806", Int64.max - 1), ("9223372036854775807", .max),
            ("00009223372036854775807", .max),
        ]
    )
    func numbers(text: String, cursor: Int64) {
        #expect(StartPosition(cursor: text) == .after(cursor))
        #expect(StartPosition(cursor: Substring(text)) == .after(cursor))
    }

    @Test(
        "A number beyond the largest id stands for the largest id",
        arguments: [
            "9223372036854775808", "18446744073709551616", String(repeating: "9", count: 400),
        ]
    )
    func hugeNumbers(text: String) {
        #expect(StartPosition(cursor: text) == .after(.max))
    }

    @Test(
        "Anything else is a cursor nobody knows",
        arguments: [
            "", " ", "-1", "+1", "1.0", "1e3", " 1", "1 ", "1\n", "0x10", "1_000", "1,000", "abc",
            "null", "١٢", "１２", "²", "1\u{301}", "urn:uuid:0f9b", "1\u{0}",
        ]
    )
    func others(text: String) {
        #expect(StartPosition(cursor: text) == .unknown)
    }
}

struct MessageTests {
    @Test("A message and its draft count every text and an overhead")
    func bytes() throws {
        let topic = try TopicName("a/é")
        let draft = Draft(
            topic: topic,
            event: "ev",
            key: "k",
            data: "dätä",
            idempotencyKey: "12345"
        )
        #expect(draft.bytes == Message.bytesOverhead + 4 + 2 + 1 + 6 + 5)
        let message = Message(
            id: 1,
            topic: topic,
            timeMilliseconds: 0,
            event: "ev",
            key: "k",
            data: "dätä"
        )
        #expect(message.bytes == Message.bytesOverhead + 4 + 2 + 1 + 6)
        #expect(Draft(topic: topic, data: "").bytes == Message.bytesOverhead + 4)
    }
}
