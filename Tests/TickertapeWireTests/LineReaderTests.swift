import NIOCore
import Testing
import TickertapeTestSupport

@testable import TickertapeWire

struct LineReaderTests {
    /// The lines of `text` when it comes in pieces of these sizes.
    private func lines(_ text: String, pieces: [Int], bytesMax: Int = 100) throws -> [String] {
        var reader = LineReader(bytesMax: bytesMax)
        var lines: [String] = []
        var rest = ByteBuffer(string: text)
        for size in pieces {
            guard let piece = rest.readSlice(length: min(size, rest.readableBytes)) else {
                continue
            }
            reader.append(piece)
            while let line = try reader.nextText() { lines.append(line) }
        }
        reader.append(rest)
        while let line = try reader.nextText() { lines.append(line) }
        if let last = try reader.lastText() { lines.append(last) }
        return lines
    }

    @Test(
        "LF and CRLF end a line; behind the last there is no empty one",
        arguments: [
            ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\nb", ["a", "b"]),
            ("a\r\nb\r\n", ["a", "b"]),
            ("\n", [""]), ("a\n\nb\n", ["a", "", "b"]), ("a\rb\n", ["a\rb"]),
            ("\r\n\r\n", ["", ""]),
            ("ä\n€", ["ä", "€"]),
        ]
    )
    func ends(_ text: String, _ expected: [String]) throws {
        #expect(try self.lines(text, pieces: []) == expected)
        #expect(try self.lines(text, pieces: Array(repeating: 1, count: 40)) == expected)
    }

    @Test("However the bytes are cut, the lines are the same")
    func pieces() throws {
        let seed = Seed()
        var random = seed.generator
        let texts = ["", "a", "zwölf", "𝄞𝄞", "two words", "x\ry"]
        let lines = (0..<500).map { _ in random.pick(texts) } + ["end"]
        let text = lines.map { $0 + (random.oneIn(2) ? "\n" : "\r\n") }.joined()
        for _ in 0..<20 {
            let pieces = (0..<2_000).map { _ in random.int(0...17) }
            #expect(try self.lines(text, pieces: pieces) == lines, "\(seed)")
        }
    }

    @Test("A line may have its bytes and no more, with either end")
    func tooLong() throws {
        #expect(try self.lines("12345\r\n12345", pieces: [], bytesMax: 5) == ["12345", "12345"])
        for text in ["123456", "123456\n", "123456\r\n", "1\n123456\n", "1234567890123"] {
            for pieces in [[], [1, 1, 1, 1, 1, 1, 1, 1]] {
                #expect(throws: LineReader.Failure.tooLong) {
                    try self.lines(text, pieces: pieces, bytesMax: 5)
                }
            }
        }
    }

    @Test("A line that is not UTF-8 is refused, those before it are not")
    func notUTF8() {
        var reader = LineReader(bytesMax: 100)
        var lines: [String] = []
        #expect(throws: LineReader.Failure.notUTF8) {
            reader.append(ByteBuffer(bytes: [0x61, 0x0A, 0xFF, 0x0A]))
            while let line = try reader.nextText() { lines.append(line) }
        }
        #expect(lines == ["a"])
    }
}
