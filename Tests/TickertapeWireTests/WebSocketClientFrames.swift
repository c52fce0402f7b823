import NIOCore
import TickertapeWire

/// A frame as a client would send it, or as none should.
struct ClientFrame {
    var opcode: UInt8
    var payload: [UInt8] = []
    var isFinal = true
    /// RSV1 to RSV3 where they stand in the first byte.
    var reserved: UInt8 = 0
    var mask: [UInt8]? = [0x37, 0xFA, 0x21, 0x3D]
    /// Says another length than that of the payload.
    var announced: UInt64?
    /// Says the length in so many bytes, even where fewer would do.
    var lengthBytes: Int?

    init(_ opcode: WebSocketOpcode, _ payload: [UInt8] = [], isFinal: Bool = true) {
        self.opcode = opcode.rawValue
        self.payload = payload
        self.isFinal = isFinal
    }

    init(_ opcode: WebSocketOpcode, _ text: String, isFinal: Bool = true) {
        self.init(opcode, Array(text.utf8), isFinal: isFinal)
    }

    func with(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }

    var bytes: [UInt8] {
        let length = self.announced ?? UInt64(self.payload.count)
        let lengthBytes = self.lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
        let marker = lengthBytes == 0 ? UInt8(length) : lengthBytes == 2 ? 126 : 127
        var bytes = [(self.isFinal ? 0x80 : 0) | self.reserved | self.opcode]
        bytes.append((self.mask == nil ? 0 : 0x80) | marker)
        for index in (0..<lengthBytes).reversed() {
            bytes.append(UInt8(truncatingIfNeeded: length >> (8 * UInt64(index))))
        }
        guard let mask = self.mask else { return bytes + self.payload }
        bytes += mask
        for (index, byte) in self.payload.enumerated() { bytes.append(byte ^ mask[index & 3]) }
        return bytes
    }
}

func events(
    of frames: [ClientFrame],
    messageBytesMax: Int = 1_000,
    inflates: Bool = false
) -> [WebSocketReader.Event] {
    var reader = WebSocketReader(messageBytesMax: messageBytesMax, inflates: inflates)
    return events(of: frames.flatMap(\.bytes), &reader)
}

func events(of bytes: [UInt8], _ reader: inout WebSocketReader) -> [WebSocketReader.Event] {
    reader.append(ByteBuffer(bytes: bytes))
    let inflater = WebSocketInflater()
    var events: [WebSocketReader.Event] = []
    while let event = reader.next(inflater) { events.append(event) }
    return events
}

func message(_ text: String) -> WebSocketReader.Event {
    .message(isText: true, ByteBuffer(string: text))
}
