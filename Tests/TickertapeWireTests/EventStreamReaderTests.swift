import NIOCore
import Testing
import TickertapeTestSupport

@testable import TickertapeWire

struct EventStreamReaderTests {
    /// The events of `bytes` when they come in these pieces, as `name:data`.
    private func events(
        _ bytes: [UInt8],
        pieces: [Int] = [],
        lineBytesMax: Int = 1_000,
        dataBytesMax: Int = 1_000
    ) throws -> (events: [String], isInside: Bool) {
        var reader = EventStreamReader(lineBytesMax: lineBytesMax, dataBytesMax: dataBytesMax)
        var events: [String] = []
        var rest = ByteBuffer(bytes: bytes)
        for size in pieces + [Int.max] {
            guard let piece = rest.readSlice(length: min(size, rest.readableBytes)) else {
                continue
            }
            reader.append(piece)
            while let event = try reader.next() {
                events.append((event.name.map { "\($0)=" } ?? "") + event.data)
            }
        }
        return (events, reader.isInsideEvent)
    }

    @Test(
        "Events are those that a browser would dispatch",
        arguments: [
            ("", []), ("data: a\n\n", ["a"]), ("data:a\r\n\r\n", ["a"]), ("data: a\r\r", ["a"]),
            ("data:  a\n\n", [" a"]), ("data\n\n", [""]), ("data:\n\n", [""]),
            ("data\ndata\n\n", ["\n"]), ("data: a\ndata: b\n\n", ["a\nb"]),
            ("data: a\rdata: b\r\ndata: c\n\n", ["a\nb\nc"]),
            ("event: e\ndata: a\n\n", ["e=a"]), ("event: e\nevent: f\ndata: a\n\n", ["f=a"]),
            ("event:\ndata: a\n\n", ["=a"]), ("event: e\n\ndata: a\n\n", ["a"]),
            (": comment\n\n:\ndata: a\nid: 7\nretry: 5\n\n", ["a"]),
            ("\n\n\r\n\rdata: a\n\n\n", ["a"]), ("Data: a\ndata : b\ndataa: c\n\n", []),
            ("\u{FEFF}data: a\n\n", ["a"]), ("\u{FEFF}\u{FEFF}data: a\n\n", []),
            ("data: \u{FEFF}ä€𝄞\n\n", ["\u{FEFF}ä€𝄞"]), ("data: a: b\n\n", ["a: b"]),
            ("data: \u{0}\n\n", ["\u{0}"]), ("data: [DONE]\n\n", ["[DONE]"]),
        ] as [(String, [String])]
    )
    func dispatched(text: String, expected: [String]) throws {
        let bytes = Array(text.utf8)
        let whole = try self.events(bytes)
        #expect(whole.events == expected)
        #expect(!whole.isInside)
        let ones = try self.events(bytes, pieces: Array(repeating: 1, count: bytes.count))
        #expect(ones.events == expected)
        #expect(!ones.isInside)
    }

    @Test(
        "A body that ends inside an event is not whole; one that ends behind a comment is",
        arguments: [
            ("data: a", true), ("data: a\n", true), ("data: a\r", true), ("event: e\n", true),
            ("da", true), ("data: a\n\ndata", true), ("data: a\n\n: comment", false),
            ("data: a\n\n: comment\n", false), ("data: a\n\nid: 7\n", false), ("", false),
            ("data: a\r\n\r", false), ("data: a\r\n\r\n", false), ("data: a\r\r\n", false),
        ]
    )
    func incomplete(text: String, isInside: Bool) throws {
        let bytes = Array(text.utf8)
        #expect(try self.events(bytes).isInside == isInside)
        let ones = Array(repeating: 1, count: bytes.count)
        #expect(try self.events(bytes, pieces: ones).isInside == isInside)
    }

    @Test("However the bytes are cut, the events are the same")
    func pieces() throws {
        let seed = Seed()
        var random = seed.generator
        let words = ["", "a", "zwölf", "𝄞𝄞", "two words", ": x", "€"]
        for round in 0..<60 {
            var text = random.oneIn(3) ? "\u{FEFF}" : ""
            var expected: [String] = []
            for _ in 0..<60 {
                // One kind of end for each line, as a CR before an LF would be one end.
                let ends = ["\n", "\r\n", "\r"]
                let end = random.pick(ends)
                var lines: [String] = []
                if random.oneIn(3) { lines.append(":" + random.pick(words)) }
                let name = random.oneIn(2) ? random.pick(words) : nil
                if let name { lines.append("event: " + name) }
                let data = (0..<random.int(0...3)).map { _ in random.pick(words) }
                lines += data.map { "data: " + $0 }
                text += (lines + [""]).map { $0 + end }.joined()
                guard !data.isEmpty else { continue }
                expected.append((name.map { "\($0)=" } ?? "") + data.joined(separator: "\n"))
            }
            let bytes = Array(text.utf8)
            let sizes = (0..<bytes.count).map { _ in random.int(0...9) }
            #expect(try self.events(bytes, pieces: sizes).events == expected, "\(seed) \(round)")
        }
    }

    @Test("Lines and data have their bytes and no more")
    func tooLong() throws {
        #expect(try self.events(Array("data: 12345\n\n".utf8), dataBytesMax: 5).events == ["12345"])
        for text in ["data: 123456\n\n", "data: 12\ndata: 345\n\n"] {
            #expect(throws: EventStreamReader.Failure.tooLong) {
                try self.events(Array(text.utf8), dataBytesMax: 5)
            }
        }
        for text in [": 3456789ab", ": 3456789ab\n"] {
            #expect(throws: EventStreamReader.Failure.tooLong) {
                try self.events(Array(text.utf8), lineBytesMax: 10)
            }
        }
    }

    @Test("Data that is not UTF-8 is refused, what nobody reads is not looked at")
    func notUTF8() throws {
        let bad = Array("data: ".utf8) + [0xC3, 0x28] + Array("\n\n".utf8)
        #expect(throws: EventStreamReader.Failure.notUTF8) { try self.events(bad) }
        let comment = [UInt8(ascii: ":"), 0xFF] + Array("\ndata: a\n\n".utf8)
        #expect(try self.events(comment).events == ["a"])
    }
}

/// What would hold up a loop, or memory, if it were taken as it comes.
struct HostileEventStreamTests {
    @Test("Very many lines of data are joined in one go", .timeLimit(.minutes(1)))
    func manyLines() throws {
        var reader = EventStreamReader(lineBytesMax: 100, dataBytesMax: 1_048_576)
        let count = 1_000_000
        reader.append(ByteBuffer(repeating: [UInt8]("data:\n".utf8), times: count))
        reader.append(ByteBuffer(string: "\n"))
        let event = try #require(try reader.next())
        #expect(event.data.utf8.count == count - 1)
    }

    @Test("A name is not held without a bound")
    func longName() {
        var reader = EventStreamReader(lineBytesMax: 100_000, dataBytesMax: 100)
        reader.append(ByteBuffer(string: "event: \(String(repeating: "x", count: 1_025))\n"))
        #expect(throws: EventStreamReader.Failure.nameTooLong) { try reader.next() }
    }

    @Test("Blank lines are passed over, and the line behind them is whole")
    func blankLines() throws {
        var reader = StreamedMessageReader(.lines, lineBytesMax: 100, dataBytesMax: 100)
        reader.append(ByteBuffer(repeating: UInt8(ascii: "\n"), count: 4_000_000))
        #expect(try reader.next() == nil)
        for piece in [" \r\n\t {\"da", "ta\":\"x\"}", "\r\n \n"] {
            reader.append(ByteBuffer(string: piece))
        }
        #expect(try reader.next()?.data == "x")
        #expect(try reader.next() == nil)
        #expect(try reader.last() == nil)
    }
}

extension ByteBuffer {
    fileprivate init(repeating bytes: [UInt8], times: Int) {
        self.init()
        for _ in 0..<times { self.writeBytes(bytes) }
    }
}
