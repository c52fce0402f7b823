package import NIOCore

/// The frames of a server: never masked, never fragmented (RFC 6455 §5.1, §5.2).
package enum WebSocketFrame {
    /// The longest header of a frame that is not masked.
    package static let headerBytesMax = 10
    /// The largest payload of a control frame (RFC 6455 §5.5).
    package static let controlBytesMax = 125

    package static func write(
        _ opcode: WebSocketOpcode,
        _ payload: ByteBuffer,
        isCompressed: Bool,
        into buffer: inout ByteBuffer
    ) {
        self.writeHeader(
            opcode,
            payloadBytes: payload.readableBytes,
            isCompressed: isCompressed,
            into: &buffer
        )
        buffer.writeImmutableBuffer(payload)
    }

    /// Writes the header of a frame whose payload is written by the caller.
    package static func writeHeader(
        _ opcode: WebSocketOpcode,
        payloadBytes: Int,
        isCompressed: Bool,
        into buffer: inout ByteBuffer
    ) {
        precondition(payloadBytes >= 0, "a length is not negative")
        precondition(
            !opcode.isControl || payloadBytes <= self.controlBytesMax && !isCompressed,
            "a control frame is small and never compressed"
        )
        // FIN, and RSV1 for a compressed message (RFC 7692 §6).
        buffer.writeInteger(opcode.rawValue | 0x80 | (isCompressed ? 0x40 : 0))
        switch payloadBytes {
        case ...125:
            buffer.writeInteger(UInt8(payloadBytes))
        case ...0xFFFF:
            buffer.writeInteger(UInt8(126))
            buffer.writeInteger(UInt16(payloadBytes))
        default:
            buffer.writeInteger(UInt8(127))
            buffer.writeInteger(UInt64(payloadBytes))
        }
    }

    /// Writes a close frame (RFC 6455 §5.5.1).
    ///
    /// - Parameters:
    ///   - code: None answers a close that had none.
    ///   - reason: Cut to the 123 bytes that fit, never inside a character.
    ///   - buffer: Takes the frame.
    package static func writeClose(
        _ code: WebSocketCloseCode?,
        _ reason: String = "",
        into buffer: inout ByteBuffer
    ) {
        guard let code else {
            self.writeHeader(.close, payloadBytes: 0, isCompressed: false, into: &buffer)
            return
        }
        assert(code.isValidFromPeer, "1005, 1006 and 1015 never stand in a frame")
        let text = reason.prefix(utf8BytesMax: self.controlBytesMax - 2)
        self.writeHeader(
            .close,
            payloadBytes: 2 + text.utf8.count,
            isCompressed: false,
            into: &buffer
        )
        buffer.writeInteger(code.rawValue)
        buffer.writeSubstring(text)
    }
}

extension String {
    /// The longest start of the text that fits, cut between two Unicode scalars.
    func prefix(utf8BytesMax: Int) -> Substring {
        guard self.utf8.count > utf8BytesMax else { return self[...] }
        var end = self.utf8.index(self.utf8.startIndex, offsetBy: utf8BytesMax)
        while self.utf8[end] & 0xC0 == 0x80 { end = self.utf8.index(before: end) }
        return self[..<end]
    }
}
