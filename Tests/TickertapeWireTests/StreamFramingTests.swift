import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

struct StreamFramingTests {
    @Test("To HTTP/1.0 content goes as it is and ends with nothing")
    func plain() {
        let content = ByteBuffer(string: "id: 1\n\n")
        #expect(StreamFraming.plain.wrap(content) == content)
        #expect(StreamFraming.plain.end.description == "")
    }

    @Test(
        "A chunk has its size in hexadecimal digits",
        arguments: [
            (1, "1"), (9, "9"), (10, "a"), (15, "f"), (16, "10"), (255, "ff"), (256, "100"),
            (4_095, "fff"), (4_096, "1000"), (65_535, "ffff"), (65_536, "10000"),
            (1_048_576, "100000"),
        ]
    )
    func chunkSizes(count: Int, digits: String) throws {
        let content = [UInt8](repeating: 0x78, count: count)
        let framed = StreamFraming.chunked.wrap(ByteBuffer(bytes: content))
        let expected = Array("\(digits)\r\n".utf8) + content + Array("\r\n".utf8)
        #expect(Array(framed.readableBytesView) == expected)
    }

    @Test("The body ends with the chunk of size 0")
    func end() {
        #expect(StreamFraming.chunked.end.description == "0\r\n\r\n")
    }

    @Test("Chunks in a row give their content back")
    func parseBack() throws {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<200 {
            var content: [UInt8] = []
            var wire = ByteBuffer()
            for _ in 0..<random.int(1...8) {
                let count = random.oneIn(4) ? random.int(1...70_000) : random.int(1...40)
                let piece = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                content += piece
                wire.writeImmutableBuffer(StreamFraming.chunked.wrap(ByteBuffer(bytes: piece)))
            }
            wire.writeStaticString(StreamFraming.chunked.end)
            let parsed = try dechunked(Array(wire.readableBytesView))
            guard parsed.content != content || !parsed.isEnded else { continue }
            Issue.record("\(content.count) bytes became \(parsed.content.count), \(seed)")
            return
        }
    }
}

struct NumberTextTests {
    @Test(
        "Decimal digits are those of the number",
        arguments: [
            0, 1, 9, 10, 99, 100, 1_043, 999_999_999, 1_000_000_000, 4_294_967_296, .max - 1, .max,
            -1, -10, .min,
        ] as [Int64]
    )
    func decimals(value: Int64) {
        #expect(written { $0.writeDecimal(value) } == String(value))
    }

    @Test("Hexadecimal digits are lower case and without leading zeros")
    func hexadecimals() {
        for value in [0, 1, 15, 16, 17, 255, 256, 4_095, 65_536, 0xABCDEF, .max - 1, .max] {
            #expect(written { $0.writeHexadecimal(value) } == String(value, radix: 16))
        }
    }

    @Test("Random numbers of every length are written like String writes them")
    func walk() {
        let seed = Seed()
        var random = seed.generator
        for _ in 0..<20_000 {
            let value = Int64.random(in: 0...Int64.max, using: &random) >> random.int(0...62)
            #expect(written { $0.writeDecimal(value) } == String(value), "\(seed)")
            #expect(
                written { $0.writeHexadecimal(Int(value)) } == String(value, radix: 16),
                "\(seed)"
            )
        }
    }
}
