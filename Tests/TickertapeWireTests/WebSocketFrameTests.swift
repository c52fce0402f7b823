import NIOCore
import Testing
import TickertapeWire

struct WebSocketFrameTests {
    @Test("Frames are those of RFC 6455, section 5.7")
    func golden() {
        #expect(frame(.text, Array("Hello".utf8)) == [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        #expect(frame(.ping, Array("Hello".utf8)) == [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
        let small = [UInt8](repeating: 7, count: 256)
        #expect(frame(.binary, small) == [0x82, 0x7E, 0x01, 0x00] + small)
        let large = [UInt8](repeating: 9, count: 65_536)
        #expect(frame(.binary, large) == [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + large)
    }

    @Test("A compressed message has RSV1 (RFC 7692, section 7.2.3.1)")
    func compressed() {
        let payload: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        #expect(frame(.text, payload, isCompressed: true) == [0xC1, 0x07] + payload)
    }

    @Test(
        "The length takes the fewest bytes that hold it",
        arguments: [
            (0, [0x82, 0x00]), (125, [0x82, 125]), (126, [0x82, 126, 0, 126]),
            (65_535, [0x82, 126, 0xFF, 0xFF]), (65_536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] as [(Int, [UInt8])]
    )
    func lengths(count: Int, header: [UInt8]) {
        var buffer = ByteBuffer()
        WebSocketFrame.writeHeader(
            .binary,
            payloadBytes: count,
            isCompressed: false,
            into: &buffer
        )
        #expect(Array(buffer.readableBytesView) == header)
        #expect(header.count <= WebSocketFrame.headerBytesMax)
    }

    @Test("A close has its code and a reason that fits, cut between characters")
    func close() {
        #expect(close(nil, "") == [0x88, 0x00])
        #expect(close(.normal, "") == [0x88, 0x02, 0x03, 0xE8])
        #expect(close(.serviceRestart, "é") == [0x88, 0x04, 0x03, 0xF4, 0xC3, 0xA9])
        let whole = String(repeating: "x", count: 123)
        #expect(close(.normal, whole) == [0x88, 125, 0x03, 0xE8] + Array(whole.utf8))
        #expect(close(.normal, whole + "y") == [0x88, 125, 0x03, 0xE8] + Array(whole.utf8))
        for (character, kept) in [("é", 122), ("€", 123), ("👍", 120)] {
            let text = String(repeating: character, count: 100)
            let bytes = close(.normal, text)
            #expect(Int(bytes[1]) == kept + 2)
            #expect(bytes[4...].elementsEqual(text.utf8.prefix(kept)))
        }
    }

    private func close(_ code: WebSocketCloseCode?, _ reason: String) -> [UInt8] {
        var buffer = ByteBuffer()
        WebSocketFrame.writeClose(code, reason, into: &buffer)
        return Array(buffer.readableBytesView)
    }

    private func frame(
        _ opcode: WebSocketOpcode,
        _ payload: [UInt8],
        isCompressed: Bool = false
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        WebSocketFrame.write(
            opcode,
            ByteBuffer(bytes: payload),
            isCompressed: isCompressed,
            into: &buffer
        )
        return Array(buffer.readableBytesView)
    }
}
