import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

struct WebSocketDeflaterTests {
    @Test("Messages are those of RFC 7692, section 7.2.3")
    func golden() {
        let deflater = WebSocketDeflater(windowBits: 15)
        let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        for _ in 0..<3 {
            let found = deflater.deflate(ByteBuffer(string: "Hello"))
            #expect(Array(found.readableBytesView) == hello)
        }
        #expect(Array(deflater.deflate(ByteBuffer()).readableBytesView) == [0x00])
    }

    @Test("An inflater gets every text back, with every window", arguments: 9...15)
    func roundTrip(windowBits: Int) {
        let seed = Seed()
        var random = seed.generator
        let deflater = WebSocketDeflater(windowBits: windowBits)
        let inflater = WebSocketInflater()
        // Around the size of the window and of the scratch, where output ends and goes on.
        for count in [1, 511, 512, 16_383, 16_384, 16_385, 40_000, 300_000] {
            let words = (0..<50).map { _ in UInt8.random(in: 0...255, using: &random) }
            let isNoise = random.oneIn(2)
            let bytes = (0..<count).map { _ in
                isNoise ? UInt8.random(in: 0...255, using: &random) : random.pick(words)
            }
            let payload = ByteBuffer(bytes: bytes)
            let found = inflater.inflate(deflater.deflate(payload), bytesMax: count)
            #expect(found == .inflated(payload), "\(count) bytes, \(seed)")
        }
    }

    @Test("Output that ends exactly with the scratch is whole")
    func scratchEdges() {
        var random = Seed().generator
        let noise = (0..<16_500).map { _ in UInt8.random(in: 0...255, using: &random) }
        let deflater = WebSocketDeflater(windowBits: 15)
        let inflater = WebSocketInflater()
        // Noise is stored with a few bytes of header: some of these fill the scratch exactly.
        for count in 16_340...16_400 {
            let payload = ByteBuffer(bytes: noise[..<count])
            let deflated = deflater.deflate(payload)
            #expect(inflater.inflate(deflated, bytesMax: count) == .inflated(payload))
        }
    }

    @Test("A message stays inside the window that was agreed on")
    func windows() {
        // The same kilobyte of noise twice: only a window over it can point back.
        var random = Seed().generator
        let noise = (0..<1_500).map { _ in UInt8.random(in: 0...255, using: &random) }
        let payload = ByteBuffer(bytes: noise + noise)
        #expect(WebSocketDeflater(windowBits: 15).deflate(payload).readableBytes < 1_700)
        #expect(WebSocketDeflater(windowBits: 9).deflate(payload).readableBytes > 2_900)
    }
}
