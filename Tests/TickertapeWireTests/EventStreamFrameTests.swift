import NIOCore
import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

/// What `write` puts into a buffer, as text.
func written(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer()
    write(&buffer)
    return String(buffer: buffer)
}

func message(
    id: Int64 = 1_043,
    event: String? = nil,
    key: String? = nil,
    data: String
) throws -> Message {
    Message(
        id: id,
        topic: try TopicName("stocks/AAPL"),
        timeMilliseconds: 1_767_346_200_125,
        event: event,
        key: key,
        data: data
    )
}

struct EventStreamFrameTests {
    @Test(
        "The end is an event without an id, and then nothing; a deleted topic has no last id",
        arguments: [
            (TopicEnd.Reason.deleted, #""reason":"deleted""#),
            (.ended, #""reason":"ended","last_id":1043"#),
            (.stopped, #""reason":"stopped","last_id":1043"#),
        ]
    )
    func end(reason: TopicEnd.Reason, fields: String) throws {
        let topic = try TopicName("news/\"a\"")
        let end = TopicEnd(topic: topic, reason: reason, lastID: 1_043, timeMilliseconds: 5)
        let block =
            #"event: tickertape.end\#ndata: {"topic":"news/\"a\"",\#(fields)}\#n\#n"#
        #expect(String(buffer: StreamFraming.plain.end(with: end)) == block)
        let size = String(block.utf8.count, radix: 16)
        #expect(
            String(buffer: StreamFraming.chunked.end(with: end))
                == "\(size)\r\n\(block)\r\n0\r\n\r\n"
        )
    }

    @Test(
        "Data is split at CR, LF and CRLF, each line in a field of its own",
        arguments: [
            ("", "data: \n"),
            ("a", "data: a\n"),
            (" a", "data:  a\n"),
            (":a", "data: :a\n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\nb", "data: a\ndata: \ndata: b\n"),
            ("a\r\rb", "data: a\ndata: \ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("a\r\n\r\nb", "data: a\ndata: \ndata: b\n"),
            ("a\r\r\nb", "data: a\ndata: \ndata: b\n"),
            ("a\n", "data: a\ndata: \n"),
            ("a\r", "data: a\ndata: \n"),
            ("a\r\n", "data: a\ndata: \n"),
            ("\n", "data: \ndata: \n"),
            ("\r", "data: \ndata: \n"),
            ("\r\n", "data: \ndata: \n"),
            ("\nid: 7\n\ndata: x", "data: \ndata: id: 7\ndata: \ndata: data: x\n"),
            ("a\u{2028}b\u{85}c\u{0}d", "data: a\u{2028}b\u{85}c\u{0}d\n"),
            ("新\r\n聞", "data: 新\ndata: 聞\n"),
            ("\u{301}\n\u{301}", "data: \u{301}\ndata: \u{301}\n"),
        ]
    )
    func dataLines(data: String, lines: String) throws {
        let message = try message(data: data)
        let frame = written { EventStreamFrame.write(message, into: &$0) }
        #expect(Array(frame.utf8) == Array("id: 1043\n\(lines)\n".utf8))
    }

    @Test("An event has a line of its own, topic, key and time have none")
    func event() throws {
        let message = try message(event: "trade", key: "k", data: "line1\nline2")
        let frame = written { EventStreamFrame.write(message, into: &$0) }
        #expect(frame == "id: 1043\nevent: trade\ndata: line1\ndata: line2\n\n")
    }

    @Test("The opening is a comment and the reconnection time, and a cursor when asked")
    func opening() {
        let plain = written {
            EventStreamFrame.writeOpening(retryMilliseconds: 3_000, cursor: nil, into: &$0)
        }
        #expect(plain == ":\n\nretry: 3000\n")
        let live = written {
            EventStreamFrame.writeOpening(retryMilliseconds: 0, cursor: 0, into: &$0)
        }
        #expect(live == ":\n\nretry: 0\nid: 0\n\n")
    }

    @Test("Signs of life and the farewell are what the protocol says")
    func signs() {
        #expect(written { EventStreamFrame.writeComment(into: &$0) } == ":\n")
        #expect(written { EventStreamFrame.writeCursor(.max, into: &$0) } == "id: \(Int64.max)\n\n")
        let farewell = written {
            EventStreamFrame.writeFarewell(retryMilliseconds: 4_711, into: &$0)
        }
        #expect(farewell == "retry: 4711\n\n")
    }

    @Test(
        "A gap is an event of the broker, with the cursor past it",
        arguments: [
            (
                Gap(after: 41, resumed: 900, reason: .retention, cursor: 899),
                #"id: 899\#nevent: tickertape.gap\#ndata: "#
                    + #"{"after":41,"resumed":900,"reason":"retention"}"#
            ),
            (
                Gap(after: 99, resumed: 12, reason: .reset, cursor: 12),
                #"id: 12\#nevent: tickertape.gap\#ndata: "#
                    + #"{"after":99,"resumed":12,"reason":"reset"}"#
            ),
            (
                Gap(after: nil, resumed: 0, reason: .unknown, cursor: 0),
                #"id: 0\#nevent: tickertape.gap\#ndata: "#
                    + #"{"after":null,"resumed":0,"reason":"unknown"}"#
            ),
        ]
    )
    func gaps(gap: Gap, frame: String) {
        #expect(written { EventStreamFrame.write(gap, into: &$0) } == frame + "\n\n")
    }

    @Test("A receiver gets every text back, with LF for each line end, however it is cut")
    func roundTrip() throws {
        let seed = Seed()
        var random = seed.generator
        let pieces = [
            "\r", "\n", "\r\n", "a", "data: ", "id: 1\n", ":", " ", "\u{0}", "é", "e\u{301}",
            "\u{301}", "👍🏽", "\u{2028}", "\u{FEFF}", "event: x\r", String(repeating: "y", count: 99),
        ]
        for _ in 0..<5_000 {
            let data = (0..<random.int(0...9)).map { _ in random.pick(pieces) }.joined()
            let event = random.oneIn(2) ? "news" : nil
            let message = try message(
                id: .random(in: 1...9, using: &random),
                event: event,
                data: data
            )
            let bytes = Array(written { EventStreamFrame.write(message, into: &$0) }.utf8)
            let cut = random.int(0...bytes.count)
            var parser = EventStreamParser()
            let items = parser.feed(bytes[..<cut]) + parser.feed(bytes[cut...])
            let expected = EventStreamParser.Item.message(
                id: "\(message.id)",
                event: event ?? "",
                data: withLineFeeds(data)
            )
            guard items != [expected] || !parser.isAtBlockEnd else { continue }
            Issue.record("\(data.debugDescription) became \(items), \(seed)")
            return
        }
    }
}

/// By scalars: in Swift CRLF is one character.
private func withLineFeeds(_ text: String) -> String {
    var lines = String.UnicodeScalarView()
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars {
        if scalar == "\n", previous == "\r" {
            previous = scalar
            continue
        }
        lines.append(scalar == "\r" ? "\n" : scalar)
        previous = scalar
    }
    return String(lines)
}
