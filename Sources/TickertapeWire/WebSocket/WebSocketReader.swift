package import NIOCore

/// Takes the frames of a client apart and puts its messages together (RFC 6455 §5, RFC 7692 §6).
///
/// Pure: bytes go in by `append`, events are pulled by `next`. What is against the protocol is
/// one `failure`; after that, and after a close, it yields nothing and drops what still comes.
///
/// Between messages it holds no memory. Inside one it holds what has arrived of it, never over
/// `messageBytesMax`, since a frame is refused by its header, before its payload is taken.
package struct WebSocketReader {
    package enum Event: Equatable, Sendable {
        case message(isText: Bool, ByteBuffer)
        /// To be answered by a pong with the same payload (RFC 6455 §5.5.2).
        case ping(ByteBuffer)
        case pong(ByteBuffer)
        /// The peer closes; the code is nothing when it gave none.
        case close(WebSocketCloseCode?, reason: String)
        /// The connection is to be closed with this code and sentence.
        case failure(WebSocketCloseCode, String)
    }

    /// A frame whose header was good and whose payload is arriving.
    struct Frame {
        let opcode: WebSocketOpcode
        let isFinal: Bool
        var missingBytes: Int
        /// For the next byte to come.
        var mask: UInt32
    }

    /// A message of which at least one frame began.
    struct Message {
        let isText: Bool
        let isCompressed: Bool
        var content = ByteBuffer()
        var text = UTF8Validator()
    }

    let messageBytesMax: Int
    /// Whether permessage-deflate was agreed on.
    let inflates: Bool

    private var input: ByteBuffer?
    private var frame: Frame?
    var message: Message?
    /// The payload of the control frame that is arriving, perhaps between two fragments.
    private var control: ByteBuffer?
    private var isEnded = false

    package init(messageBytesMax: Int, inflates: Bool) {
        precondition(messageBytesMax >= 0, "a size is not negative")
        self.messageBytesMax = messageBytesMax
        self.inflates = inflates
    }

    /// Whether it holds nothing of a frame or message.
    package var isIdle: Bool {
        self.input == nil && self.frame == nil && self.message == nil && self.control == nil
    }

    package mutating func append(_ bytes: ByteBuffer) {
        guard !self.isEnded, bytes.readableBytes > 0 else { return }
        if self.input == nil {
            self.input = bytes
        } else {
            self.input?.writeImmutableBuffer(bytes)
        }
    }

    /// Pulls the next event out of the bytes so far.
    ///
    /// - Parameter inflater: Needed where compression was agreed on; it may serve other readers
    ///   in between.
    /// - Returns: Nothing when more bytes are needed, or none will be taken.
    package mutating func next(_ inflater: WebSocketInflater?) -> Event? {
        guard !self.isEnded else { return nil }
        do throws(Violation) {
            return try self.nextEvent(inflater)
        } catch {
            self.end()
            return .failure(error.code, error.sentence)
        }
    }

    private mutating func nextEvent(_ inflater: WebSocketInflater?) throws(Violation) -> Event? {
        while true {
            if self.frame == nil {
                guard let header = self.readHeader() else { return nil }
                self.frame = try self.accepted(header)
            }
            guard let frame = try self.readPayload() else { return nil }
            self.frame = nil
            self.dropEmptyInput()
            if frame.opcode.isControl { return try self.controlEvent(frame.opcode) }
            if frame.isFinal { return try self.messageEvent(inflater) }
        }
    }

    private mutating func readHeader() -> WebSocketFrameHeader? {
        guard var input = self.input.take() else { return nil }
        if let header = WebSocketFrameHeader.read(from: &input) {
            self.input = input
            return header
        }
        // A few bytes, copied so that they do not keep a whole read alive.
        if input.readableBytes > 0 { self.input = ByteBuffer(bytes: input.readableBytesView) }
        return nil
    }

    /// Moves what has arrived of the payload; the frame when that was the rest of it.
    private mutating func readPayload() throws(Violation) -> Frame? {
        guard var frame = self.frame else { preconditionFailure("a payload belongs to a frame") }
        let count = min(frame.missingBytes, self.input?.readableBytes ?? 0)
        if count > 0 {
            try self.movePayload(count, of: &frame)
            self.frame = frame
        }
        guard frame.missingBytes == 0 else {
            self.dropEmptyInput()
            return nil
        }
        return frame
    }

    private mutating func movePayload(_ count: Int, of frame: inout Frame) throws(Violation) {
        guard var input = self.input.take() else { return }
        defer { self.input = input }
        frame.missingBytes -= count
        if frame.opcode.isControl {
            var control = self.control.take() ?? ByteBuffer()
            frame.mask = control.moveUnmasked(count, from: &input, mask: frame.mask)
            self.control = control
            return
        }
        guard var message = self.message.take() else {
            preconditionFailure("a data frame belongs to a message")
        }
        frame.mask = message.content.moveUnmasked(count, from: &input, mask: frame.mask)
        guard message.isTextSoFar(last: count) else { throw .notUTF8 }
        self.message = message
    }

    private mutating func controlEvent(_ opcode: WebSocketOpcode) throws(Violation) -> Event {
        let payload = self.control.take() ?? ByteBuffer()
        switch opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        default:
            let event = try Self.closeEvent(payload)
            self.end()
            return event
        }
    }

    private mutating func messageEvent(
        _ inflater: WebSocketInflater?
    ) throws(Violation) -> Event {
        guard let message = self.message.take() else {
            preconditionFailure("a message ends that never began")
        }
        guard message.isCompressed else {
            guard message.text.isComplete else { throw .notUTF8 }
            return .message(isText: message.isText, message.content)
        }
        guard let inflater else { preconditionFailure("compression was agreed on") }
        switch inflater.inflate(message.content, bytesMax: self.messageBytesMax) {
        case .tooBig: throw .tooBig(self.messageBytesMax)
        case .malformed: throw .notDeflate
        case .inflated(let content):
            guard !message.isText || content.isUTF8 else { throw .notUTF8 }
            return .message(isText: message.isText, content)
        }
    }

    private mutating func dropEmptyInput() {
        if self.input?.readableBytes == 0 { self.input = nil }
    }

    private mutating func end() {
        self.isEnded = true
        self.input = nil
        self.frame = nil
        self.message = nil
        self.control = nil
    }
}

extension WebSocketReader.Message {
    /// Checks the bytes that came last: the peer of a long message hears early of a bad byte.
    fileprivate mutating func isTextSoFar(last count: Int) -> Bool {
        guard self.isText, !self.isCompressed else { return true }
        return self.content.withUnsafeReadableBytes { bytes in
            self.text.accepts(UnsafeRawBufferPointer(rebasing: bytes.suffix(count)))
        }
    }
}

extension ByteBuffer {
    fileprivate var isUTF8: Bool {
        self.withUnsafeReadableBytes { bytes in
            var text = UTF8Validator()
            return text.accepts(bytes) && text.isComplete
        }
    }
}
