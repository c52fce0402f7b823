import NIOCore
import Testing
import TickertapeWire

struct WebSocketCompressedMessageTests {
    private static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    private func compressed(_ payload: [UInt8], isFinal: Bool = true) -> ClientFrame {
        ClientFrame(.text, payload, isFinal: isFinal).with { $0.reserved = 0x40 }
    }

    @Test("A compressed message may come in fragments (RFC 7692, section 7.2.3.1)")
    func fragments() {
        #expect(events(of: [self.compressed(Self.hello)], inflates: true) == [message("Hello")])
        let frames = [
            self.compressed(Array(Self.hello[..<3]), isFinal: false), ClientFrame(.ping),
            ClientFrame(.continuation, Array(Self.hello[3...])), ClientFrame(.text, "plain"),
        ]
        #expect(
            events(of: frames, inflates: true)
                == [.ping(ByteBuffer()), message("Hello"), message("plain")]
        )
    }

    @Test("Only the first frame of a message says that it is compressed")
    func continuationMarked() {
        let frames = [
            self.compressed(Array(Self.hello[..<3]), isFinal: false),
            ClientFrame(.continuation, Array(Self.hello[3...])).with { $0.reserved = 0x40 },
        ]
        self.expectFailure(.protocolError, frames)
    }

    @Test("Control frames are never marked as compressed")
    func controlMarked() {
        self.expectFailure(.protocolError, [ClientFrame(.ping).with { $0.reserved = 0x40 }])
    }

    @Test("What does not inflate, or not to text, is 1007")
    func bad() {
        self.expectFailure(.invalidText, [self.compressed([0xFF])])
        let deflated = WebSocketDeflater(windowBits: 15).deflate(ByteBuffer(bytes: [0x61, 0xFF]))
        self.expectFailure(.invalidText, [self.compressed(Array(deflated.readableBytesView))])
        let binary = ClientFrame(.binary, Array(deflated.readableBytesView))
        #expect(
            events(of: [binary.with { $0.reserved = 0x40 }], inflates: true)
                == [.message(isText: false, ByteBuffer(bytes: [0x61, 0xFF]))]
        )
    }

    private func expectFailure(_ code: WebSocketCloseCode, _ frames: [ClientFrame]) {
        let found = events(of: frames, inflates: true)
        guard found.count == 1, case .failure(code, _)? = found.first else {
            Issue.record("\(found)")
            return
        }
    }
}
