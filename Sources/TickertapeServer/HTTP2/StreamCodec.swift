import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2
import TickertapeCore
import TickertapeWire

/// Why the server does not take the rest of a request on a stream.
struct StreamRefusal: Error {
    let problem: Problem
}

/// One stream of HTTP/2: frames in, the parts of a request out; answers in, frames out.
///
/// Confined to its event loop. What stands behind it does not know HTTP/2: an event stream writes
/// its bytes, which become DATA, and closes.
final class StreamCodec: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let server: LoopServer
    private let connection: HTTP2Connection
    private let isOneTooMany: Bool
    private var context: ChannelHandlerContext?
    private var input = Input.head
    private var output = Output.head
    /// Of its body, with the machine, while the request is not complete.
    private var bodyBytes = 0
    /// What was written of an answer and has not left.
    private(set) var untakenBytes = 0
    /// Its request is cut off as soon as its answer has left.
    private var resetsWhenTaken = false

    private enum Input {
        case head, body, ended
        /// Nothing that comes is looked at any more.
        case refused
    }

    private enum Output {
        case head, body, ended
    }

    /// More than one frame takes is given in pieces of this size, to see how they leave.
    private static let pieceBytes = 16_384

    init(server: LoopServer, connection: HTTP2Connection) {
        self.server = server
        self.connection = connection
        self.isOneTooMany = connection.isFull
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.releaseBody()
        context.fireChannelInactive()
    }

    // MARK: - Turns

    /// Whether it stands in the line of its connection.
    var isInLine = false

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // All streams are told at once that the socket has room; the first would take all of it.
        guard context.channel.isWritable, case .body = self.output else {
            context.fireChannelWritabilityChanged()
            return
        }
        self.connection.standInLine(self)
    }

    /// Its turn to write has come.
    func takeTurn() {
        self.isInLine = false
        guard let context = self.context, context.channel.isWritable else { return }
        context.fireChannelWritabilityChanged()
    }

    // MARK: - The request

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .headers(let headers): self.received(headers, context)
        case .data(let data): self.received(data, context)
        default: break
        }
    }

    private func received(
        _ payload: HTTP2Frame.FramePayload.Headers,
        _ context: ChannelHandlerContext
    ) {
        switch self.input {
        case .head where self.isOneTooMany:
            self.input = .refused
            self.reset(.refusedStream)
            return
        case .head:
            do throws(StreamRequest.Failure) {
                let head = try StreamRequest.head(
                    payload.headers,
                    isWhole: payload.endStream,
                    self.server.limits
                )
                self.input = .body
                context.fireChannelRead(self.wrapInboundOut(.head(head)))
            } catch {
                self.input = payload.endStream ? .ended : .refused
                switch error {
                case .malformed: self.reset(.protocolError)
                case .tooLarge: context.fireErrorCaught(HTTPParserError.headerOverflow)
                }
                return
            }
        // Trailers say nothing that is of interest here.
        case .body, .ended, .refused: break
        }
        if payload.endStream { self.end(context) }
    }

    private func received(
        _ payload: HTTP2Frame.FramePayload.Data,
        _ context: ChannelHandlerContext
    ) {
        if case .body = self.input, case .byteBuffer(let bytes) = payload.data,
            bytes.readableBytes > 0
        {
            self.bodyBytes += bytes.readableBytes
            if self.connection.takeBody(bytes.readableBytes) {
                context.fireChannelRead(self.wrapInboundOut(.body(bytes)))
            } else {
                self.input = .refused
                self.releaseBody()
                context.fireErrorCaught(StreamRefusal(problem: .queueFull(self.server.limits)))
            }
        }
        if payload.endStream { self.end(context) }
    }

    private func end(_ context: ChannelHandlerContext) {
        let isRefused = if case .refused = self.input { true } else { false }
        self.input = .ended
        self.releaseBody()
        if !isRefused { context.fireChannelRead(self.wrapInboundOut(.end(nil))) }
    }

    private func releaseBody() {
        self.connection.releaseBody(self.bodyBytes)
        self.bodyBytes = 0
    }

    /// So much of its body has been made use of, before it has come to its end.
    func releaseBody(bytes: Int) {
        let released = min(bytes, self.bodyBytes)
        self.bodyBytes -= released
        self.connection.releaseBody(released)
    }

    // MARK: - The answer

    func sendContinue() {
        guard let context = self.context, case .head = self.output else { return }
        let head = HPACKHeaders([(":status", "100")])
        context.writeAndFlush(self.wrapOutboundOut(.headers(.init(headers: head))), promise: nil)
    }

    /// Writes a whole answer.
    func write(_ answer: StreamAnswer) {
        guard let context = self.context, case .head = self.output else { return }
        self.output = .ended
        let isEmpty = answer.body.readableBytes == 0
        let head = HTTP2Frame.FramePayload.Headers(headers: answer.head, endStream: isEmpty)
        context.write(self.wrapOutboundOut(.headers(head)), promise: nil)
        if !isEmpty { self.write(answer.body, isLast: true, in: context) }
        context.flush()
    }

    /// Writes some of an answer that was begun.
    func write(piece: ByteBuffer, isLast: Bool) {
        guard let context = self.context, case .body = self.output else { return }
        if isLast { self.output = .ended }
        self.write(piece, isLast: isLast, in: context)
        context.flush()
    }

    private func write(_ body: ByteBuffer, isLast: Bool, in context: ChannelHandlerContext) {
        var rest = body
        while rest.readableBytes > Self.pieceBytes,
            let piece = rest.readSlice(length: Self.pieceBytes)
        {
            self.write(piece, isLast: false, context)
        }
        self.write(rest, isLast: isLast, context)
    }

    private func write(_ piece: ByteBuffer, isLast: Bool, _ context: ChannelHandlerContext) {
        let count = piece.readableBytes
        self.untakenBytes += count
        let left = context.eventLoop.makePromise(of: Void.self)
        left.futureResult.assumeIsolated().whenComplete { _ in self.taken(count) }
        let data = HTTP2Frame.FramePayload.Data(data: .byteBuffer(piece), endStream: isLast)
        context.write(self.wrapOutboundOut(.data(data)), promise: left)
    }

    /// The head of an answer whose body is written later; leaves with its beginning.
    func begin(_ head: HPACKHeaders) {
        guard let context = self.context, case .head = self.output else { return }
        self.output = .body
        context.write(self.wrapOutboundOut(.headers(.init(headers: head))), promise: nil)
    }

    func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        let bytes = self.unwrapOutboundIn(data)
        guard case .body = self.output else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(
            self.wrapOutboundOut(.data(.init(data: .byteBuffer(bytes)))),
            promise: promise
        )
    }

    /// The whole answer was written.
    ///
    /// What the client still sends of its request is not wanted: it is told so when it has the
    /// answer (RFC 9113 §8.1).
    func finish() {
        if case .ended = self.input { return }
        self.input = .refused
        self.releaseBody()
        self.resetsWhenTaken = true
        if self.untakenBytes == 0 { self.reset(.noError) }
    }

    private func taken(_ count: Int) {
        self.untakenBytes -= count
        if self.untakenBytes == 0 && self.resetsWhenTaken { self.reset(.noError) }
    }

    private func reset(_ code: HTTP2ErrorCode) {
        guard let context = self.context else { return }
        context.writeAndFlush(self.wrapOutboundOut(.rstStream(code)), promise: nil)
    }

    func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        guard case .body = self.output else {
            context.close(mode: mode, promise: promise)
            return
        }
        self.output = .ended
        let end = HTTP2Frame.FramePayload.Data(data: .byteBuffer(ByteBuffer()), endStream: true)
        context.writeAndFlush(self.wrapOutboundOut(.data(end)), promise: promise)
        // It waits behind what the client does not take.
        let nanoseconds = Int64(self.server.limits.lingerSeconds * 1_000_000_000)
        context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(nanoseconds)) {
            self.context?.close(promise: nil)
        }
    }
}
