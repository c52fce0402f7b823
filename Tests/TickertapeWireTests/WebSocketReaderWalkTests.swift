import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

/// Random messages, cut at random into frames and reads, come out as they were sent.
struct WebSocketReaderWalkTests {
    /// What is sent, and what is to come out of it.
    private struct Conversation {
        var bytes: [UInt8] = []
        var expected: [WebSocketReader.Event] = []
        private let deflater = WebSocketDeflater(windowBits: 15)

        mutating func add(_ frame: ClientFrame, _ random: inout SeededGenerator) {
            let key = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
            self.bytes += frame.with { $0.mask = key }.bytes
        }

        mutating func addControl(_ random: inout SeededGenerator) {
            let payload = (0..<random.int(0...125)).map { UInt8($0) }
            if random.oneIn(2) {
                self.add(ClientFrame(.ping, payload), &random)
                self.expected.append(.ping(ByteBuffer(bytes: payload)))
            } else {
                self.add(ClientFrame(.pong, payload), &random)
                self.expected.append(.pong(ByteBuffer(bytes: payload)))
            }
        }

        mutating func addMessage(_ random: inout SeededGenerator) {
            let isText = random.oneIn(2)
            let isCompressed = random.oneIn(2)
            let content = isText ? randomText(&random) : randomBytes(&random)
            let deflated = self.deflater.deflate(ByteBuffer(bytes: content))
            var rest = (isCompressed ? Array(deflated.readableBytesView) : content)[...]
            var opcode = isText ? WebSocketOpcode.text : .binary
            var reserved: UInt8 = isCompressed ? 0x40 : 0
            while true {
                let isFinal = random.oneIn(3)
                let part = isFinal ? rest : rest.prefix(random.int(0...rest.count))
                rest = rest.dropFirst(part.count)
                let frame = ClientFrame(opcode, Array(part), isFinal: isFinal)
                self.add(frame.with { $0.reserved = reserved }, &random)
                if isFinal { break }
                (opcode, reserved) = (.continuation, 0)
                if random.oneIn(3) { self.addControl(&random) }
            }
            self.expected.append(.message(isText: isText, ByteBuffer(bytes: content)))
        }

        private func randomText(_ random: inout SeededGenerator) -> [UInt8] {
            let pieces = ["a", "é", "€", "👍🏽", "\u{0}", "{\"type\":\"ping\"}"]
            return (0..<random.int(0...60)).flatMap { _ in Array(random.pick(pieces).utf8) }
        }

        private func randomBytes(_ random: inout SeededGenerator) -> [UInt8] {
            let count = random.oneIn(20) ? random.int(65_000...70_000) : random.int(0...300)
            return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
    }

    @Test("What was sent comes out, whatever the frames and reads", arguments: Seed.several(40))
    func walk(seed: Seed) {
        var random = seed.generator
        var sent = Conversation()
        for _ in 0..<30 {
            if random.oneIn(4) { sent.addControl(&random) } else { sent.addMessage(&random) }
        }
        sent.add(ClientFrame(.close, [0x03, 0xE8]), &random)
        sent.expected.append(.close(.normal, reason: ""))

        var reader = WebSocketReader(messageBytesMax: 80_000, inflates: true)
        let inflater = WebSocketInflater()
        var found: [WebSocketReader.Event] = []
        var rest = sent.bytes[...]
        while !rest.isEmpty {
            let chunk = rest.prefix(random.oneIn(3) ? random.int(1...9) : random.int(1...3_000))
            rest = rest.dropFirst(chunk.count)
            reader.append(ByteBuffer(bytes: chunk))
            if random.oneIn(5) { continue }
            while let event = reader.next(inflater) { found.append(event) }
        }
        while let event = reader.next(inflater) { found.append(event) }
        #expect(found == sent.expected, "\(seed)")
        #expect(reader.isIdle)
    }

    @Test("Bytes damaged at random end in events or one failure", arguments: Seed.several(40))
    func damage(seed: Seed) {
        var random = seed.generator
        var sent = Conversation()
        for _ in 0..<10 { sent.addMessage(&random) }
        for _ in 0..<50 {
            var bytes = sent.bytes
            for _ in 0..<random.int(1...5) {
                bytes[random.int(0...bytes.count - 1)] = .random(in: 0...255, using: &random)
            }
            var reader = WebSocketReader(messageBytesMax: 10_000, inflates: true)
            let found = events(of: bytes, &reader)
            for (index, event) in found.enumerated() {
                switch event {
                case .message(_, let content): #expect(content.readableBytes <= 10_000, "\(seed)")
                case .failure, .close: #expect(index == found.count - 1, "\(seed)")
                case .ping, .pong: break
                }
            }
        }
    }
}
