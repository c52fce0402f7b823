import Foundation
import NIOCore
import Testing
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

struct JSONTests {
    @Test(
        "Only quote, backslash and control characters are escaped",
        arguments: [
            ("", #""""#), ("a", #""a""#), ("\"", #""\"""#), ("\\", #""\\""#), ("/", #""/""#),
            ("\u{8}\t\n\u{C}\r", #""\b\t\n\f\r""#), ("\u{0}\u{1F}\u{1B}", #""\u0000\u001f\u001b""#),
            ("\u{7F}\u{2028}é新👍🏽", "\"\u{7F}\u{2028}é新👍🏽\""), ("\r\n", #""\r\n""#),
            ("\"\u{301}\\\u{301}", "\"\\\"\u{301}\\\\\u{301}\""),
        ]
    )
    func escapes(text: String, json: String) {
        let result = written { $0.writeJSON(string: text) }
        #expect(Array(result.utf8) == Array(json.utf8))
    }

    @Test("A parser gets every random text back")
    func fuzz() throws {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<5_000 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<random.int(0...12) { scalars.append(randomScalar(&random)) }
            let text = String(scalars)
            var buffer = ByteBuffer(string: "[")
            buffer.writeJSON(string: text)
            buffer.writeStaticString("]")
            let parsed = try JSONSerialization.jsonObject(with: Data(buffer.readableBytesView))
            let back = try #require((parsed as? [String])?.first, "\(seed)")
            guard Array(back.utf8) != Array(text.utf8) else { continue }
            Issue.record("\(text.debugDescription) became \(back.debugDescription), \(seed)")
            return
        }
    }

    private func randomScalar(_ random: inout SeededGenerator) -> Unicode.Scalar {
        let special: [Unicode.Scalar] = [
            "\"", "\\", "/", "\r", "\n", "\u{0}", "\u{2028}", "\u{301}", "u", "\u{FFFF}",
            "\u{FFFD}",
        ]
        switch random.int(0...3) {
        case 0: return random.pick(special)
        case 1: return Unicode.Scalar(UInt8.random(in: 0...127, using: &random))
        default:
            let value = UInt32.random(in: 0...0x10_FFFF, using: &random)
            // The parser drops a byte order mark at the start of a text.
            guard value != 0xFEFF else { return "\u{D7FF}" }
            return Unicode.Scalar(value) ?? "\u{D7FF}"
        }
    }

    @Test("A message has event and key only when they are set")
    func messages() throws {
        let bare = try message(data: "x\n\"")
        #expect(
            written { $0.writeJSON(bare) }
                == #"{"id":1043,"topic":"stocks/AAPL","time":"2026-01-02T09:30:00.125Z","#
                + #""data":"x\n\""}"#
        )
        let full = try message(event: "trade", key: "k\\", data: "")
        #expect(
            written { $0.writeJSON(full) }
                == #"{"id":1043,"topic":"stocks/AAPL","time":"2026-01-02T09:30:00.125Z","#
                + #""event":"trade","key":"k\\","data":""}"#
        )
    }

    @Test("A page of history has next, and gap only when there is one")
    func history() throws {
        let empty = written { $0.writeJSON(history: [], next: 1_043, gap: nil) }
        #expect(empty == #"{"messages":[],"next":1043}"#)
        let one = try message(data: "a")
        let json = written { $0.writeJSON(one) }
        let gap = Gap(after: 0, resumed: 1_043, reason: .retention, cursor: 1_042)
        let page = written { $0.writeJSON(history: [one, one], next: 9, gap: gap) }
        let gapText = #"{"after":0,"resumed":1043,"reason":"retention"}"#
        #expect(page == #"{"messages":[\#(json),\#(json)],"next":9,"gap":\#(gapText)}"#)
    }

    @Test("The answer to a publish is its id and topic")
    func published() throws {
        let topic = try TopicName("a \"b\"/é")
        let answer = written { $0.writeJSON(publishedID: 7, topic: topic) }
        #expect(answer == #"{"id":7,"topic":"a \"b\"/é"}"#)
    }
}
