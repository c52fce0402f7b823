import NIOCore
import NIOHTTP2
import TickertapeCore

/// What stands between the frames of HTTP/2 and the bytes of its connection.
///
/// Confined to its event loop. Duties:
/// 1. counts the frames that cost the server something and the client nothing, and ends the
///    connection of a client that sends too many;
/// 2. reads nothing more once the connection has failed;
/// 3. announces how many streams a client may open;
/// 4. lets what is written in one turn of the loop leave together: a hundred streams would
///    otherwise make a hundred writes, and under TLS each frame two records.
final class HTTP2Wire: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = ByteBuffer

    private let server: LoopServer
    private let connection: HTTP2Connection
    private var context: ChannelHandlerContext?
    private var inbound = FrameReader(prefaceBytes: 24)
    private var outbound = FrameReader(prefaceBytes: 0)
    private var credit: FrameCredit
    private var hasFailed = false
    private var hasSentSettings = false

    /// Written and not yet passed on.
    private var pending = ByteBuffer()
    private var pendingPromise: EventLoopPromise<Void>?
    /// Passed on and not yet flushed.
    private var unflushedBytes = 0
    private var isFlushDue = false

    /// Writes from this size on go as they are: copying would cost more than a record.
    private static let copiedBytesMax = 4_096
    /// As much as one record of TLS holds.
    private static let pendingBytesMax = 16_384
    /// What waits for the end of the turn at most.
    private static let unflushedBytesMax = 65_536

    init(server: LoopServer, connection: HTTP2Connection) {
        self.server = server
        self.connection = connection
        self.credit = FrameCredit(server.limits, tick: server.tick)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.pendingPromise?.fail(ChannelError.ioOnClosedChannel)
        self.pendingPromise = nil
    }

    // MARK: - In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.hasFailed else { return }
        let bytes = self.unwrapInboundIn(data)
        self.credit.refill(tick: self.server.tick)
        bytes.withUnsafeReadableBytes { bytes in
            self.inbound.read(bytes) { self.credit.received($0) }
        }
        guard self.credit.isLeft else {
            self.fail(context)
            self.connection.end(.enhanceYourCalm)
            return
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        if !self.hasFailed { context.read() }
    }

    /// What still comes waits with the client, until the connection is closed.
    private func fail(_ context: ChannelHandlerContext) {
        self.hasFailed = true
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    // MARK: - Out

    func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        guard case .byteBuffer(var bytes) = self.unwrapOutboundIn(data) else {
            preconditionFailure("frames are made of bytes")
        }
        if !self.hasSentSettings {
            self.hasSentSettings = true
            self.announceStreams(in: &bytes)
        }
        var isEnd = false
        bytes.withUnsafeReadableBytes { bytes in
            self.outbound.read(bytes) { frame in
                self.credit.sent()
                if frame.isFailure { isEnd = true }
            }
        }
        if bytes.readableBytes >= Self.copiedBytesMax {
            self.pass(context)
            self.unflushedBytes += bytes.readableBytes
            context.write(self.wrapOutboundOut(bytes), promise: promise)
        } else {
            if self.pending.readableBytes + bytes.readableBytes > Self.pendingBytesMax {
                self.pass(context)
            }
            self.pending.writeBuffer(&bytes)
            self.join(promise)
        }
        if isEnd && !self.hasFailed {
            self.fail(context)
            // It is flushed first.
            context.eventLoop.assumeIsolated().execute { self.connection.failed() }
        }
    }

    /// Tells the client of fewer streams than NIO.
    ///
    /// NIO would end the connection at one stream too many; that one alone is to be refused
    /// (RFC 9113 §5.1.2).
    private func announceStreams(in settings: inout ByteBuffer) {
        let (headBytes, entryBytes) = (9, 6)
        let start = settings.readerIndex + headBytes
        for index in stride(from: start, to: settings.writerIndex, by: entryBytes)
        where settings.getInteger(at: index, as: UInt16.self) == 3 {
            let most = UInt32(self.server.limits.connectionStreamsMax)
            settings.setInteger(most, at: index + 2)
        }
    }

    private func join(_ promise: EventLoopPromise<Void>?) {
        guard let promise else { return }
        if let first = self.pendingPromise {
            first.futureResult.cascade(to: promise)
        } else {
            self.pendingPromise = promise
        }
    }

    private func pass(_ context: ChannelHandlerContext) {
        guard self.pending.readableBytes > 0 else { return }
        self.unflushedBytes += self.pending.readableBytes
        let promise = self.pendingPromise
        self.pendingPromise = nil
        let bytes = self.pending
        self.pending = ByteBuffer()
        context.write(self.wrapOutboundOut(bytes), promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        if self.unflushedBytes + self.pending.readableBytes >= Self.unflushedBytesMax {
            self.flushNow(context)
            return
        }
        guard !self.isFlushDue else { return }
        self.isFlushDue = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushDue = false
            if let context = self.context { self.flushNow(context) }
        }
    }

    private func flushNow(_ context: ChannelHandlerContext) {
        self.pass(context)
        self.unflushedBytes = 0
        context.flush()
    }

    func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        self.flushNow(context)
        context.close(mode: mode, promise: promise)
    }
}

/// The frames in a sequence of bytes, as far as they are of interest.
struct FrameReader {
    struct Frame {
        let type: UInt8
        let flags: UInt8
        let length: Int
        /// Of what is seen of the payload: GOAWAY is short, and written in one piece.
        var errorCode: UInt32 = 0

        var isFailure: Bool { self.type == 7 && self.errorCode != 0 }
    }

    /// Of what comes next, to be passed over.
    private var skip: Int
    private var head: [UInt8] = []

    init(prefaceBytes: Int) {
        self.skip = prefaceBytes
        self.head.reserveCapacity(9)
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer, _ take: (Frame) -> Void) {
        var index = 0
        while index < bytes.count {
            if self.skip > 0 {
                let count = min(self.skip, bytes.count - index)
                self.skip -= count
                index += count
                continue
            }
            self.head.append(bytes[index])
            index += 1
            guard self.head.count == 9 else { continue }
            let length = Int(self.head[0]) << 16 | Int(self.head[1]) << 8 | Int(self.head[2])
            var frame = Frame(type: self.head[3], flags: self.head[4], length: length)
            if frame.type == 7, bytes.count - index >= 8 {
                for byte in bytes[(index + 4)..<(index + 8)] {
                    frame.errorCode = frame.errorCode << 8 | UInt32(byte)
                }
            }
            self.skip = length
            self.head.removeAll(keepingCapacity: true)
            take(frame)
        }
    }
}

/// What a client may still send of frames that ask for nothing.
///
/// Requests are not counted: each costs a stream, and of those there is a bound. Nor are resets,
/// pings, settings, priorities and frames without bytes: NIO has bounds for these.
struct FrameCredit {
    private var left: Int
    private var lastTick: Int
    private let perSecond: Int
    private let max: Int

    /// For each frame that was sent: a client answers DATA with a window update for the stream and
    /// one for the connection.
    private static let earned = 2
    /// What can be saved up.
    private static let savedMax = 1_000_000
    /// DATA with less is counted, unless it ends its stream.
    private static let smallBytes = 256

    init(_ limits: Limits, tick: Int) {
        self.perSecond = limits.framesPerSecondMax
        self.max = limits.framesPerSecondMax * 4
        self.left = self.max
        self.lastTick = tick
    }

    var isLeft: Bool { self.left >= 0 }

    mutating func refill(tick: Int) {
        guard tick > self.lastTick else { return }
        let more = (tick - self.lastTick) * self.perSecond / LoopServer.ticksPerSecond
        self.lastTick = tick
        if self.left < self.max { self.left = min(self.left + more, self.max) }
    }

    mutating func sent() {
        if self.left < Self.savedMax { self.left += Self.earned }
    }

    mutating func received(_ frame: FrameReader.Frame) {
        switch frame.type {
        case 0 where frame.flags & 1 != 0 || frame.length >= Self.smallBytes: break
        case 1, 9: break
        default: self.left -= 1
        }
    }
}
