import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeTestSupport
import TickertapeWire

@testable import TickertapeBroker

/// A connection of any format that remembers what was written, without the framing.
final class FormatTransport: SubscriptionTransport {
    let format: WireFormat
    /// What the next writes say.
    var isFull = false
    private(set) var content: [UInt8] = []
    private(set) var writeCount = 0
    /// Whether framing was broken.
    private(set) var isBroken = false
    private let encoder = FrameEncoder(limits: Limits())

    init(_ format: WireFormat) {
        self.format = format
    }

    func opening(head: Int64, cursor: Int64?) -> ByteBuffer {
        ByteBuffer(string: "!")
    }

    func write(_ frames: ByteBuffer) -> Bool {
        self.writeCount += 1
        let bytes = Array(frames.readableBytesView)
        guard self.format == .eventStream(.chunked) else {
            self.content += bytes
            return self.isFull
        }
        // The opening of this test is not framed.
        let start = self.writeCount == 1 && bytes.first == 0x21 ? 1 : 0
        self.content += bytes[..<start]
        if let chunks = try? dechunked(Array(bytes[start...])), !chunks.isEnded {
            self.content += chunks.content
        } else {
            self.isBroken = true
        }
        return self.isFull
    }

    func end(_ reason: SubscriptionEnd) {}

    func forget() {
        self.content = []
        self.writeCount = 0
    }

    /// Messages one by one in this format, without chunks.
    func expected(_ messages: [Message]) -> [UInt8] {
        var buffer = ByteBuffer()
        for message in messages { self.encoder.write(message, as: self.format, into: &buffer) }
        return Array(buffer.readableBytesView)
    }
}

/// More than are kept of a batch, or of a pass; two of the names are the same text to `String`.
let manyFormats: [WireFormat] =
    [.eventStream(.plain), .eventStream(.chunked)]
    + ["1", "2", "rooms", "é"].flatMap { name in
        [nil, 15, 9].map {
            .webSocket(subscription: SubscriptionName(name), windowBits: $0)
        }
    }
