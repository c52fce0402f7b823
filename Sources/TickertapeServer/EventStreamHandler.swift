import NIOCore
import NIOHTTP1
import NIOSSL
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// A connection that has become an event stream, or a stream of HTTP/2 that is one.
///
/// Confined to its event loop. Decides nothing: tells the subscription what the socket does.
final class EventStreamHandler: ChannelInboundHandler, SubscriptionTransport {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let format: WireFormat
    private let framing: StreamFraming
    private let server: LoopServer
    /// Of the client, whose streams are counted.
    private let share: ClientShare?
    private var context: ChannelHandlerContext?
    private var subscription: Subscription?
    private var isEnding = false

    /// The head of the response; leaves with what is written first, or has left already.
    private var head: ByteBuffer?

    init(server: LoopServer, framing: StreamFraming, head: ByteBuffer?, share: ClientShare?) {
        self.server = server
        self.share = share
        self.framing = framing
        self.format = .eventStream(framing)
        self.head = head
    }

    func start(_ query: SubscribeQuery, _ access: Access?) {
        self.server.watch(access, for: self)
        self.subscription = self.server.fanout.subscribe(
            to: query.filter,
            from: query.start,
            tellsCaughtUp: query.tellsCaughtUp,
            coalesces: query.coalesces,
            transport: self
        )
        // The socket may have failed while the opening was written.
        if self.context == nil { self.closeSubscription() }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Nothing is expected from a subscriber; what comes is dropped.
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.server.count.closeStream()
        self.share?.closeStream()
        self.server.stopWatching(for: self)
        self.closeSubscription()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // A full socket is told by `write`, in whose middle this would come.
        guard context.channel.isWritable, let subscription = self.subscription else { return }
        self.server.fanout.socketDrained(subscription)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A subscriber that closes its side is gone.
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What the client sends behind its request is not looked at.
        if error is HTTPParserError || error is ByteToMessageDecoderError { return }
        // `inputClosed` follows.
        if case .uncleanShutdown = error as? NIOSSLError { return }
        context.close(promise: nil)
    }

    func opening(head: Int64, cursor: Int64?) -> ByteBuffer {
        var opening = ByteBufferAllocator().buffer(capacity: 128)
        EventStreamFrame.writeOpening(
            retryMilliseconds: Int64(self.server.limits.retrySeconds * 1_000),
            cursor: cursor,
            into: &opening
        )
        return opening
    }

    func write(_ frames: ByteBuffer) -> Bool {
        guard let context = self.context, !self.isEnding else { return true }
        context.writeAndFlush(self.wrapOutboundOut(self.withHead(frames)), promise: nil)
        return !context.channel.isWritable
    }

    func end(_ reason: SubscriptionEnd) {
        guard let context = self.context, !self.isEnding else { return }
        let bytes =
            switch reason {
            case .ended(let end): self.framing.end(with: end)
            case .draining, .logUnavailable, .disconnected:
                self.framing.farewell(retryMilliseconds: reason.retryMilliseconds)
            }
        let limits = self.server.limits
        let seconds: Double? =
            switch reason {
            // When the broker stops, it closes everything.
            case .draining: nil
            case .logUnavailable, .disconnected: limits.lingerSeconds
            case .ended(let end) where end.reason == .deleted: limits.lingerSeconds
            // The last messages may be on the way of a slow reader.
            case .ended: limits.requestTimeoutSeconds
            }
        self.end(with: bytes, context, closedAfter: seconds)
    }

    private func end(
        with bytes: ByteBuffer,
        _ context: ChannelHandlerContext,
        closedAfter seconds: Double?
    ) {
        self.isEnding = true
        self.closeSubscription()
        self.server.stopWatching(for: self)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(self.wrapOutboundOut(self.withHead(bytes)), promise: written)
        if let seconds { self.close(context, after: seconds) }
    }

    /// Who does not read does not learn of its end.
    private func close(_ context: ChannelHandlerContext, after seconds: Double) {
        let channel = context.channel
        context.eventLoop.scheduleTask(in: .nanoseconds(Int64(seconds * 1_000_000_000))) {
            channel.close(promise: nil)
        }
    }

    var address: SocketAddress? { self.context?.channel.remoteAddress }

    private func withHead(_ frames: ByteBuffer) -> ByteBuffer {
        guard var first = self.head else { return frames }
        self.head = nil
        first.writeImmutableBuffer(frames)
        return first
    }

    private func closeSubscription() {
        guard let subscription = self.subscription else { return }
        self.subscription = nil
        self.server.fanout.close(subscription)
    }
}

extension EventStreamHandler: AccessHolder {
    func accessExpires(inSeconds seconds: Int) {
        _ = self.write(self.framing.expiring(inSeconds: seconds))
    }

    func accessEnded(_ end: AccessEnd) {
        guard let context = self.context, !self.isEnding else { return }
        self.end(
            with: self.framing.unauthorized(end.rawValue),
            context,
            closedAfter: self.server.limits.lingerSeconds
        )
    }
}
