import NIOCore

extension WebSocketReader {
    /// What a client did against the protocol, and how the connection ends for it.
    struct Violation: Error {
        let code: WebSocketCloseCode
        /// For the reason of the close frame: at most 123 bytes, without data of the client.
        let sentence: String

        static let notUTF8 = Self(code: .invalidText, sentence: "the text is not UTF-8")
        static let notDeflate = Self(
            code: .invalidText,
            sentence: "the compressed message is not valid deflate data"
        )

        static func tooBig(_ bytesMax: Int) -> Self {
            Self(code: .messageTooBig, sentence: "a message has at most \(bytesMax) bytes")
        }

        static func protocolError(_ sentence: String) -> Self {
            Self(code: .protocolError, sentence: sentence)
        }
    }

    /// Judges a header before any of its payload is taken.
    mutating func accepted(_ header: WebSocketFrameHeader) throws(Violation) -> Frame {
        guard !header.hasOtherReserved else {
            throw .protocolError("a reserved bit of a frame is set")
        }
        guard let opcode = header.opcode else {
            throw .protocolError("the opcode of a frame is reserved")
        }
        // RFC 6455 §5.1. What is not masked could be chosen to poison caches on the way (§10.3).
        guard header.isMasked else { throw .protocolError("a frame of a client is not masked") }
        if opcode.isControl {
            try Self.checkControl(header)
        } else {
            try self.begin(opcode, header)
        }
        guard let payloadBytes = Int(exactly: header.payloadBytes) else {
            throw .protocolError("the length of a frame has its top bit set")
        }
        if !opcode.isControl, let message {
            guard payloadBytes <= self.messageBytesMax - message.content.readableBytes else {
                throw .tooBig(self.messageBytesMax)
            }
        }
        return Frame(
            opcode: opcode,
            isFinal: header.isFinal,
            missingBytes: payloadBytes,
            mask: header.mask
        )
    }

    /// RFC 6455 §5.5.
    private static func checkControl(_ header: WebSocketFrameHeader) throws(Violation) {
        guard header.isFinal else { throw .protocolError("a control frame is fragmented") }
        guard !header.hasRSV1 else {
            throw .protocolError("a control frame is marked as compressed")
        }
        guard header.payloadBytes <= UInt64(WebSocketFrame.controlBytesMax) else {
            throw .protocolError("a control frame has over 125 bytes")
        }
    }

    /// Begins a message, or checks that one can go on (RFC 6455 §5.4).
    private mutating func begin(
        _ opcode: WebSocketOpcode,
        _ header: WebSocketFrameHeader
    ) throws(Violation) {
        if opcode == .continuation {
            guard self.message != nil else {
                throw .protocolError("a continuation frame continues no message")
            }
            // RFC 7692 §6.1: only the first frame of a message says that it is compressed.
            guard !header.hasRSV1 else {
                throw .protocolError("a continuation frame is marked as compressed")
            }
            return
        }
        guard self.message == nil else {
            throw .protocolError("a message begins inside another")
        }
        guard !header.hasRSV1 || self.inflates else {
            throw .protocolError("a frame is marked as compressed, which was not agreed on")
        }
        self.message = Message(isText: opcode == .text, isCompressed: header.hasRSV1)
    }

    /// Reads the payload of a close frame (RFC 6455 §5.5.1, §7.4).
    static func closeEvent(_ payload: ByteBuffer) throws(Violation) -> Event {
        guard payload.readableBytes > 0 else { return .close(nil, reason: "") }
        var payload = payload
        guard let number = payload.readInteger(as: UInt16.self) else {
            throw .protocolError("the payload of a close frame has one byte")
        }
        let code = WebSocketCloseCode(rawValue: number)
        guard code.isValidFromPeer else {
            throw .protocolError("the code of a close frame is not one to be sent")
        }
        guard let reason = String(validating: payload.readableBytesView, as: UTF8.self) else {
            throw Violation(code: .invalidText, sentence: "the reason of a close is not UTF-8")
        }
        return .close(code, reason: reason)
    }
}
