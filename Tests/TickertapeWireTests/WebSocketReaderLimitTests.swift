import NIOCore
import Testing
import TickertapeTestSupport
import TickertapeWire

/// What the reader costs, and how early it says no.
struct WebSocketReaderLimitTests {
    @Test("A message of exactly the limit is taken, however it is cut")
    func exactLimit() {
        let text = String(repeating: "x", count: 1_000)
        #expect(events(of: [ClientFrame(.text, text)]) == [message(text)])
        let halves = [
            ClientFrame(.text, String(text.prefix(999)), isFinal: false),
            ClientFrame(.continuation, "x", isFinal: false), ClientFrame(.continuation, ""),
        ]
        #expect(events(of: halves) == [message(text)])
    }

    @Test("A message too large is refused by its header, before its payload comes")
    func headerAlone() {
        var reader = WebSocketReader(messageBytesMax: 1_000, inflates: false)
        let frame = ClientFrame(.text).with { $0.announced = 100_000 }
        let found = events(of: frame.bytes, &reader)
        guard case .failure(.messageTooBig, _)? = found.first else {
            Issue.record("\(found)")
            return
        }
    }

    @Test("Bad text is refused at its first bad byte, with the frame still open")
    func failsFast() {
        // Each is the start of a frame that announces more.
        let starts: [(good: [UInt8], bad: UInt8)] = [
            ([], 0xFF), ([0x61], 0x80), ([0xF4], 0x90), ([0xED], 0xA0), ([0xE0], 0x9F),
            ([0xF0], 0x8F), ([0xC3], 0x61), (Array("κόσμε".utf8), 0xC0),
            (Array(repeating: 0x61, count: 19), 0xF5),
        ]
        for (good, bad) in starts {
            let frame = ClientFrame(.text, good + [bad]).with { $0.announced = 100 }
            var reader = WebSocketReader(messageBytesMax: 1_000, inflates: false)
            #expect(events(of: frame.bytes.dropLast(), &reader) == [])
            let found = events(of: frame.bytes.suffix(1), &reader)
            guard case .failure(.invalidText, _)? = found.first else {
                Issue.record("\(good) \(bad): \(found)")
                continue
            }
        }
    }

    @Test("Text is taken exactly when it is UTF-8, in any pieces")
    func randomText() {
        let seed = Seed()
        var random = seed.generator
        let pieces: [[UInt8]] = [
            [0x61], Array("éééé".utf8), Array("€".utf8), Array("👍".utf8), [0xC2], [0x80], [0xBF],
            [0xE0], [0xED], [0xF0], [0xF4], [0x9F], [0xA0], [0x8F], [0x90], [0xF8],
            Array(repeating: 0x7A, count: 9),
        ]
        for _ in 0..<20_000 {
            let bytes = (0..<random.int(0...4)).flatMap { _ in random.pick(pieces) }
            let cut = random.int(0...bytes.count)
            let frames = [
                ClientFrame(.text, Array(bytes[..<cut]), isFinal: false),
                ClientFrame(.continuation, Array(bytes[cut...])),
            ]
            let isText = String(validating: bytes, as: UTF8.self) != nil
            let found = events(of: frames)
            let good = [WebSocketReader.Event.message(isText: true, ByteBuffer(bytes: bytes))]
            guard (found == good) != isText || found.count != 1 else { continue }
            Issue.record("\(bytes) cut at \(cut): \(found), \(seed)")
            return
        }
    }

    @Test("A hundred thousand fragments of a byte are one message, in linear time")
    func manyFragments() {
        let count = 100_000
        var bytes = ClientFrame(.text, "a", isFinal: false).bytes
        for _ in 1..<count { bytes += ClientFrame(.continuation, "a", isFinal: false).bytes }
        bytes += ClientFrame(.continuation, "").bytes
        var reader = WebSocketReader(messageBytesMax: count, inflates: false)
        let took = ContinuousClock().measure {
            let whole = events(of: bytes, &reader)
            #expect(whole == [message(String(repeating: "a", count: count))])
        }
        // Far above what it takes without optimisation; a quadratic reader takes minutes.
        #expect(took < .seconds(20))
        #expect(reader.isIdle)
    }

    @Test("A message may come byte by byte, in linear time")
    func byteByByte() {
        let frame = ClientFrame(.text, String(repeating: "a", count: 100_000))
        var reader = WebSocketReader(messageBytesMax: 100_000, inflates: false)
        var found: [WebSocketReader.Event] = []
        let took = ContinuousClock().measure {
            for byte in frame.bytes {
                reader.append(ByteBuffer(bytes: [byte]))
                while let event = reader.next(nil) { found.append(event) }
            }
        }
        #expect(found == [message(String(repeating: "a", count: 100_000))])
        #expect(took < .seconds(20))
    }

    @Test("Bytes that wait to be taken are not copied for each that is added")
    func appendedFirst() {
        let frame = ClientFrame(.text, String(repeating: "a", count: 100_000))
        var reader = WebSocketReader(messageBytesMax: 100_000, inflates: false)
        for byte in frame.bytes { reader.append(ByteBuffer(bytes: [byte])) }
        #expect(reader.next(nil) == message(String(repeating: "a", count: 100_000)))
        #expect(reader.isIdle)
    }

    @Test("A reader between messages holds nothing")
    func idle() {
        var reader = WebSocketReader(messageBytesMax: 1_000, inflates: false)
        #expect(reader.isIdle)
        for frame in [ClientFrame(.text, "a"), ClientFrame(.ping, "b"), ClientFrame(.binary)] {
            _ = events(of: frame.bytes, &reader)
            #expect(reader.isIdle)
        }
        _ = events(of: [0x81], &reader)
        #expect(!reader.isIdle)
    }
}
