import NIOCore
import NIOEmbedded

/// The socket below a connection: full when its client does not read.
///
/// Stands at the head of the pipeline. As NIO does, it tells of a change of writability in the
/// middle of a write or a flush; and a connection that ends its side only is still open.
final class SimulatedSocket: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    /// Bytes that may be under way to the client; the others wait in the broker.
    var room = Int.max
    /// Bytes waiting in the broker from which on the socket counts as full.
    var highWaterMark = 65_536
    private(set) var isOutputClosed = false
    /// How often it was full so far.
    private(set) var fillCount = 0
    /// The most bytes that have waited in the broker so far.
    private(set) var waitingBytesMax = 0
    private unowned let channel: EmbeddedChannel
    private var waiting = ByteBuffer()
    private var underWay = ByteBuffer()
    private var isMoving = false

    init(below channel: EmbeddedChannel) throws {
        self.channel = channel
        try channel.pipeline.syncOperations.addHandler(self, position: .first)
    }

    /// Whether everything that was written has been read.
    var isEmpty: Bool { self.waiting.readableBytes + self.underWay.readableBytes == 0 }

    /// The client reads up to `count` bytes.
    func take(_ count: Int = .max) -> [UInt8] {
        let taken = self.underWay.readBytes(length: min(count, self.underWay.readableBytes))
        self.underWay.discardReadBytes()
        self.move()
        return taken ?? []
    }

    /// From now on the client reads nothing, or it goes on.
    func stall(_ isStalled: Bool) {
        self.room = isStalled ? 0 : .max
        self.highWaterMark = isStalled ? 0 : 65_536
        self.move()
    }

    func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        self.waiting.writeImmutableBuffer(self.unwrapOutboundIn(data))
        promise?.succeed(())
        self.waitingBytesMax = max(self.waitingBytesMax, self.waiting.readableBytes)
        guard self.waiting.readableBytes > self.highWaterMark else { return }
        self.setWritable(false)
    }

    func flush(context: ChannelHandlerContext) {
        self.move()
    }

    func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        guard mode == .output else {
            context.close(mode: mode, promise: promise)
            return
        }
        self.isOutputClosed = true
        promise?.succeed(())
    }

    private func move() {
        // Who is told of room may write at once.
        guard !self.isMoving else { return }
        self.isMoving = true
        defer { self.isMoving = false }
        while self.waiting.readableBytes > 0, self.underWay.readableBytes < self.room {
            let count = min(
                self.waiting.readableBytes,
                self.room - self.underWay.readableBytes
            )
            if var bytes = self.waiting.readSlice(length: count) {
                self.underWay.writeBuffer(&bytes)
            }
            self.waiting.discardReadBytes()
            if self.waiting.readableBytes <= self.highWaterMark / 2 { self.setWritable(true) }
        }
    }

    private func setWritable(_ isWritable: Bool) {
        guard self.channel.isWritable != isWritable else { return }
        self.channel.isWritable = isWritable
        if !isWritable { self.fillCount += 1 }
        self.channel.pipeline.fireChannelWritabilityChanged()
    }
}
