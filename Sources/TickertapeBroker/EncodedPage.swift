import NIOCore
package import TickertapeCore
import TickertapeLog
import TickertapeWire

/// A page as it goes to the socket, encoded on the thread that read it.
struct EncodedPage: Sendable {
    let frames: ByteBuffer
    let through: Int64
    /// The last id in the frames, if there is one.
    let lastWritten: Int64?
    /// What the subscriber was told of gaps, this page included.
    let gaps: GapTeller
    let tally: MessageTally

    init(
        frames: ByteBuffer,
        through: Int64,
        lastWritten: Int64?,
        gaps: GapTeller,
        tally: MessageTally
    ) {
        self.frames = frames
        self.through = through
        self.lastWritten = lastWritten
        self.gaps = gaps
        self.tally = tally
    }

    init(
        _ page: Page,
        after cursor: Int64,
        gaps: GapTeller,
        format: WireFormat,
        coalesces: Bool,
        limits: Limits
    ) {
        let encoder = FrameEncoder(limits: limits)
        var gaps = gaps
        var lastWritten: Int64?
        guard !coalesces else {
            let gap = gaps.gap(before: page, after: cursor)
            self.init(
                gap,
                joining: page.messages,
                through: page.through,
                gaps: gaps,
                format: format,
                encoder: encoder,
                limits: limits
            )
            return
        }
        let bytes = page.messages.reduce(0) { $0 + $1.bytes }
        var frames = ByteBufferAllocator().buffer(capacity: bytes + 64)
        if let gap = gaps.gap(before: page, after: cursor) {
            encoder.write(gap, as: format, into: &frames)
            lastWritten = gap.cursor
        }
        var tally = MessageTally()
        for message in page.messages {
            encoder.write(message, as: format, into: &frames)
            tally.add(message)
        }
        if let last = page.messages.last { lastWritten = last.id }
        self.init(
            frames: encoder.wrap(frames, as: format),
            through: page.through,
            lastWritten: lastWritten,
            gaps: gaps,
            tally: tally
        )
    }

    /// A page whose messages are joined where they can be.
    ///
    /// It ends where one write does: what is left is read again.
    init(
        _ gap: Gap? = nil,
        joining messages: [Message],
        through: Int64,
        gaps: GapTeller,
        format: WireFormat,
        encoder: FrameEncoder,
        limits: Limits
    ) {
        var frames = ByteBufferAllocator().buffer(capacity: 4_096)
        if let gap { encoder.write(gap, as: format, into: &frames) }
        var tally = MessageTally()
        var rest = messages[...]
        while let joined = rest.popJoined(bytesMax: limits.coalescedBytesMax) {
            encoder.write(joined, as: format, into: &frames)
            if frames.readableBytes >= limits.writeBytesMax { break }
        }
        let written = messages[..<rest.startIndex]
        for message in written { tally.add(message) }
        self.init(
            frames: encoder.wrap(frames, as: format),
            through: rest.isEmpty ? through : written.last?.id ?? through,
            lastWritten: written.last?.id ?? gap?.cursor,
            gaps: gaps,
            tally: tally
        )
    }
}

extension StartPosition {
    /// What a subscriber is told whose cursor cannot be used: it goes on from the head.
    package func gap(head: Int64) -> Gap {
        switch self {
        case .after(let cursor):
            Gap(after: cursor, resumed: head, reason: .reset, cursor: head)
        case .unknown, .live, .tail:
            Gap(after: nil, resumed: head, reason: .unknown, cursor: head)
        }
    }
}
