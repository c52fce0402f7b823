import NIOCore
import NIOTLS
import TickertapeCore

/// A connection of which it is not known yet what it speaks.
///
/// Confined to its event loop. Waits for the TLS handshake, or for the first bytes of a plain one,
/// puts the handlers in its place, and leaves.
final class ConnectionOpening: ChannelInboundHandler, RemovableChannelHandler, LoopConnection {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    enum Kind {
        /// The handshake agrees on HTTP/2 or HTTP/1.1 (ALPN).
        case tls
        /// A client that knows sends the preface of HTTP/2 at once (RFC 9113 §3.3).
        case plain
    }

    private let server: LoopServer
    private let kind: Kind
    private let peer: Peer
    private var context: ChannelHandlerContext?
    /// What came and may be the beginning of the preface.
    private var first = ByteBuffer()
    private(set) var deadline = Int.max

    /// No method of HTTP/1 begins like it.
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    init(server: LoopServer, kind: Kind, peer: Peer) {
        self.server = server
        self.kind = kind
        self.peer = peer
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.server.add(self)
        let limits = self.server.limits
        self.deadline = self.server.deadline(
            seconds: self.peer.isOverBound ? limits.lingerSeconds : limits.requestTimeoutSeconds
        )
        if self.server.isDraining { self.drain() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.server.remove(self)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.server.remove(self)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted(let negotiated) where self.kind == .tls:
            self.become(negotiated == "h2" ? .http2 : .http1, context)
        case ChannelEvent.inputClosed:
            // It has asked for nothing.
            context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.kind == .plain else {
            context.fireChannelRead(data)
            return
        }
        var bytes = self.unwrapInboundIn(data)
        self.first.writeBuffer(&bytes)
        let isLike = zip(self.first.readableBytesView, Self.preface).allSatisfy { $0 == $1 }
        if isLike && self.first.readableBytes < Self.preface.count { return }
        self.become(isLike ? .http2 : .http1, context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // TLS has told the peer what it did not like; scanners and plain HTTP come by all the time.
        context.close(promise: nil)
    }

    private enum Version {
        case http1, http2
    }

    private func become(_ version: Version, _ context: ChannelHandlerContext) {
        self.server.remove(self)
        do {
            switch version {
            case .http1:
                try ConnectionHandler.add(
                    to: context.pipeline.syncOperations,
                    self.server,
                    peer: self.peer
                )
            case .http2:
                try HTTP2Connection.add(
                    to: context.channel,
                    self.server,
                    peer: self.peer
                )
            }
        } catch {
            context.close(promise: nil)
            return
        }
        if self.first.readableBytes > 0 {
            let bytes = self.first
            self.first = ByteBuffer()
            context.fireChannelRead(self.wrapInboundOut(bytes))
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    // MARK: - Deadlines and ends

    func deadlineReached() {
        self.context?.close(promise: nil)
    }

    func drain() {
        self.deadline = min(
            self.deadline,
            self.server.deadline(seconds: self.server.limits.drainIdleSeconds)
        )
    }
}
