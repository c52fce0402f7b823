import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

struct WebSocketInflaterTests {
    private static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    private func inflate(_ bytes: [UInt8], bytesMax: Int = 1_000) -> WebSocketInflater.Outcome {
        WebSocketInflater().inflate(ByteBuffer(bytes: bytes), bytesMax: bytesMax)
    }

    @Test(
        "Messages are those of RFC 7692, section 7.2.3",
        arguments: [
            (hello, "Hello"), (hello.dropLast() + [0x00], "Hello"),
            // No compression.
            ([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], "Hello"),
            // A block marked as the final one, and the byte that stands for the empty block.
            ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], "Hello"),
            // The same of a sender that leaves the byte out.
            ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
            // Two blocks, flushed in between.
            (
                [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
                "Hello"
            ),
            // An empty message, an empty final block with its tail cut off, and nothing at all.
            ([0x00], ""), ([0x01], ""), ([], ""),
            // Two final blocks, then the empty one.
            ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x03, 0x00, 0x00], "Hello"),
        ] as [([UInt8], String)]
    )
    func golden(bytes: [UInt8], text: String) {
        #expect(self.inflate(bytes) == .inflated(ByteBuffer(string: text)))
    }

    @Test(
        "What is not deflate data, or is cut, is refused",
        arguments: [
            [0xFF], [0x07], [0xF2], [0xF2, 0x48, 0xCD, 0xC9], Array(hello.dropLast()),
            hello + [0x00, 0x00, 0xFF, 0xFF], [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],
            // A wrong complement of a length.
            [0x00, 0x05, 0x00, 0xFA, 0xFE, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        ] as [[UInt8]]
    )
    func malformed(bytes: [UInt8]) {
        #expect(self.inflate(bytes) == .malformed)
    }

    @Test("One inflater serves every message anew, whatever came before")
    func reuse() {
        let inflater = WebSocketInflater()
        let hello = ByteBuffer(bytes: Self.hello)
        for before in [[0xFF], Self.hello, [0xF2, 0x48], [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0]] {
            _ = inflater.inflate(ByteBuffer(bytes: before), bytesMax: 1_000)
            _ = inflater.inflate(hello, bytesMax: 3)
            let found = inflater.inflate(hello, bytesMax: 5)
            #expect(found == .inflated(ByteBuffer(string: "Hello")))
        }
    }

    @Test("A message that builds on the one before is refused (RFC 7692, section 7.2.3.2)")
    func contextTakeover() {
        let inflater = WebSocketInflater()
        _ = inflater.inflate(ByteBuffer(bytes: Self.hello), bytesMax: 1_000)
        let next = ByteBuffer(bytes: [0xF2, 0x00, 0x11, 0x00, 0x00])
        #expect(inflater.inflate(next, bytesMax: 1_000) == .malformed)
    }

    @Test("A message that inflates to a thousand times its size is stopped at the bound")
    func bomb() {
        let zeros = ByteBuffer(repeating: 0, count: 20_000_000)
        let bomb = WebSocketDeflater(windowBits: 15).deflate(zeros)
        #expect(bomb.readableBytes < 200_000)
        let inflater = WebSocketInflater()
        #expect(inflater.inflate(bomb, bytesMax: 1_000) == .tooBig)
        #expect(inflater.inflate(bomb, bytesMax: 19_999_999) == .tooBig)
        #expect(inflater.inflate(bomb, bytesMax: 20_000_000) == .inflated(zeros))
        var reader = WebSocketReader(messageBytesMax: 1_000_000, inflates: true)
        let frame = ClientFrame(.text, Array(bomb.readableBytesView)).with { $0.reserved = 0x40 }
        let found = events(of: frame.bytes, &reader)
        guard case .failure(.messageTooBig, _)? = found.first else {
            Issue.record("\(found.count)")
            return
        }
    }

    @Test("A hundred thousand empty final blocks are an empty message, in linear time")
    func manyFinalBlocks() {
        let blocks = (0..<100_000).flatMap { _ in [0x03, 0x00] as [UInt8] }
        let took = ContinuousClock().measure {
            #expect(self.inflate(blocks) == .inflated(ByteBuffer()))
            #expect(self.inflate(blocks + [0x00]) == .inflated(ByteBuffer()))
        }
        #expect(took < .seconds(20))
    }

    @Test("Data damaged at random stays in its bound")
    func fuzz() {
        let seed = Seed()
        var random = seed.generator
        let inflater = WebSocketInflater()
        let text = String(repeating: "{\"price\":12.5,\"symbol\":\"AAPL\"}", count: 30)
        let good = WebSocketDeflater(windowBits: 15).deflate(ByteBuffer(string: text))
        for _ in 0..<20_000 {
            var bytes = Array(good.readableBytesView)
            for _ in 0..<random.int(1...3) {
                let index = random.int(0...bytes.count - 1)
                bytes[index] = .random(in: 0...255, using: &random)
            }
            bytes.removeLast(random.oneIn(3) ? random.int(0...bytes.count) : 0)
            let bytesMax = random.int(0...2_000)
            let outcome = inflater.inflate(ByteBuffer(bytes: bytes), bytesMax: bytesMax)
            guard case .inflated(let content) = outcome else { continue }
            #expect(content.readableBytes <= bytesMax, "\(seed)")
        }
        let whole = inflater.inflate(good, bytesMax: 2_000)
        #expect(whole == .inflated(ByteBuffer(string: text)))
    }
}
