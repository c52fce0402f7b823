import NIOCore
import Testing
import TickertapeWire

struct WebSocketReaderTests {
    @Test("Messages are those of RFC 6455, section 5.7")
    func golden() {
        let hello: [UInt8] = [
            0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
        ]
        var reader = WebSocketReader(messageBytesMax: 5, inflates: false)
        #expect(events(of: hello, &reader) == [message("Hello")])
        let pong: [UInt8] = [0x8A] + hello[1...]
        #expect(events(of: pong, &reader) == [.pong(ByteBuffer(string: "Hello"))])
        #expect(reader.isIdle)
    }

    @Test("Fragments make one message, with control frames in between")
    func fragments() {
        let frames = [
            ClientFrame(.text, "He", isFinal: false), ClientFrame(.ping, "1"),
            ClientFrame(.continuation, "", isFinal: false), ClientFrame(.pong, ""),
            ClientFrame(.continuation, "llo"), ClientFrame(.binary, "x"),
        ]
        #expect(
            events(of: frames) == [
                .ping(ByteBuffer(string: "1")), .pong(ByteBuffer()), message("Hello"),
                .message(isText: false, ByteBuffer(string: "x")),
            ]
        )
    }

    @Test("Payloads of every length around a step of the mask come out as they were")
    func masks() {
        let payload = (0..<40).map { UInt8($0) }
        for count in 0...payload.count {
            for cut in 0...count {
                let frame = ClientFrame(.binary, Array(payload[..<count]))
                var reader = WebSocketReader(messageBytesMax: 40, inflates: false)
                let header = frame.bytes.count - count
                #expect(events(of: Array(frame.bytes[..<(header + cut)]), &reader).count <= 1)
                _ = events(of: Array(frame.bytes[(header + cut)...]), &reader)
                let whole = events(of: frame.bytes, &reader)
                #expect(whole == [.message(isText: false, ByteBuffer(bytes: payload[..<count]))])
            }
        }
    }

    @Test("A length in more bytes than it needs is taken")
    func longLengths() {
        for lengthBytes in [2, 8] {
            let frame = ClientFrame(.text, "a").with { $0.lengthBytes = lengthBytes }
            #expect(events(of: [frame]) == [message("a")])
        }
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: WebSocketCloseCode
        let frames: [ClientFrame]

        init(_ description: String, _ code: WebSocketCloseCode, _ frames: ClientFrame...) {
            self.testDescription = description
            self.code = code
            self.frames = frames
        }
    }

    static let violations: [Bad] = [
        Bad("not masked", .protocolError, ClientFrame(.text, "a").with { $0.mask = nil }),
        Bad("ping not masked", .protocolError, ClientFrame(.ping).with { $0.mask = nil }),
        Bad("RSV1 not agreed", .protocolError, ClientFrame(.text).with { $0.reserved = 0x40 }),
        Bad("RSV2", .protocolError, ClientFrame(.text).with { $0.reserved = 0x20 }),
        Bad("RSV3", .protocolError, ClientFrame(.text).with { $0.reserved = 0x10 }),
        Bad("RSV1 on a ping", .protocolError, ClientFrame(.ping).with { $0.reserved = 0x40 }),
        Bad("ping in fragments", .protocolError, ClientFrame(.ping, isFinal: false)),
        Bad("close in fragments", .protocolError, ClientFrame(.close, isFinal: false)),
        Bad("long ping", .protocolError, ClientFrame(.ping, String(repeating: "x", count: 126))),
        Bad("continues nothing", .protocolError, ClientFrame(.continuation, "a")),
        Bad(
            "continues what has ended",
            .protocolError,
            ClientFrame(.text, "a"),
            ClientFrame(.continuation)
        ),
        Bad(
            "begins inside another",
            .protocolError,
            ClientFrame(.text, "a", isFinal: false),
            ClientFrame(.binary, "b")
        ),
        Bad("top bit", .protocolError, ClientFrame(.text).with { $0.announced = 1 << 63 }),
        Bad("too large", .messageTooBig, ClientFrame(.text).with { $0.announced = 1_001 }),
        Bad("huge", .messageTooBig, ClientFrame(.text).with { $0.announced = (1 << 63) - 1 }),
        Bad(
            "too large in sum",
            .messageTooBig,
            ClientFrame(.text, "a", isFinal: false),
            ClientFrame(.continuation).with { $0.announced = 1_000 }
        ),
        Bad("close of one byte", .protocolError, ClientFrame(.close, [3])),
        Bad("close reason", .invalidText, ClientFrame(.close, [0x03, 0xE8, 0xFF])),
        Bad("text", .invalidText, ClientFrame(.text, [0x61, 0xFF])),
        Bad("cut text", .invalidText, ClientFrame(.text, [0xC3])),
        Bad("surrogate", .invalidText, ClientFrame(.text, [0xED, 0xA0, 0x80])),
        Bad(
            "cut text in fragments",
            .invalidText,
            ClientFrame(.text, [0xE2], isFinal: false),
            ClientFrame(.continuation, [0x82])
        ),
    ]

    @Test("What breaks a rule fails the connection, once", arguments: violations)
    func violation(_ row: Bad) {
        var reader = WebSocketReader(messageBytesMax: 1_000, inflates: false)
        let found = events(of: row.frames.flatMap(\.bytes), &reader)
        guard case .failure(let code, let sentence)? = found.last else {
            Issue.record("\(found)")
            return
        }
        #expect(code == row.code)
        #expect((1...123).contains(sentence.utf8.count))
        #expect(reader.isIdle)
        #expect(events(of: ClientFrame(.text, "later").bytes, &reader) == [])
    }

    @Test("Every reserved opcode is refused", arguments: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    func reservedOpcodes(opcode: UInt8) {
        let found = events(of: [ClientFrame(.text).with { $0.opcode = opcode }])
        #expect(found.count == 1)
        guard case .failure(.protocolError, _)? = found.first else {
            Issue.record("\(found)")
            return
        }
    }

    @Test("A close is given with code and reason, and nothing after it")
    func close() {
        let after = ClientFrame(.text, "late")
        #expect(events(of: [ClientFrame(.close), after]) == [.close(nil, reason: "")])
        #expect(
            events(of: [ClientFrame(.close, [0x03, 0xE8, 0xC3, 0xA9]), after])
                == [.close(.normal, reason: "é")]
        )
    }

    @Test("Only codes that may be sent are taken in a close")
    func closeCodes() {
        let valid = Set(1_000...1_003).union(1_007...1_014).union(3_000...4_999)
        for code in [0, 1, 999, 1_000_0, 65_535] + Array(1_000...1_020) + [
            2_999, 3_000, 4_999, 5_000,
        ] {
            let payload = [UInt8(code >> 8), UInt8(code & 0xFF)]
            switch events(of: [ClientFrame(.close, payload)]).first {
            case .close(let found, reason: "")?:
                #expect(valid.contains(code))
                #expect(found?.rawValue == UInt16(code))
            case .failure(.protocolError, _)?: #expect(!valid.contains(code))
            case let other: Issue.record("\(code): \(String(describing: other))")
            }
        }
    }
}
