import NIOCore
import NIOHPACK
import NIOHTTP2
import TickertapeCore

/// One HTTP/2 connection: knows how many streams it has, keeps its deadlines, and ends.
///
/// Confined to its event loop. Its streams are channels of their own, each with a `StreamCodec`
/// and a `ConnectionHandler`; what they answer is no concern of it.
///
/// Safety: all who call it are on its event loop.
final class HTTP2Connection: ChannelInboundHandler, LoopConnection, @unchecked Sendable {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let server: LoopServer
    /// Its address has too many: it is told so once, and closed.
    private let isOverBound: Bool
    private var context: ChannelHandlerContext?
    private var phase = Phase.opening
    private var streams = 0
    private var lastStream = HTTP2StreamID.rootStream
    /// Of request bodies that have not come to their end, over all streams.
    private var bodyBytes = 0
    private(set) var deadline = Int.max
    /// Event streams that could be written to again, in the order in which they are told.
    private var line = CircularBuffer<StreamCodec>(initialCapacity: 1)
    private var isServingLine = false

    private enum Phase {
        /// The client has not sent its settings yet.
        case opening
        case open
        /// No stream begins any more; it ends with the last.
        case ending
        /// It was said that no stream begins after the last; what still comes is dropped.
        case lingering
    }

    init(server: LoopServer, isOverBound: Bool = false) {
        self.server = server
        self.isOverBound = isOverBound
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.server.add(self)
        let limits = self.server.limits
        let seconds = self.isOverBound ? limits.lingerSeconds : limits.requestTimeoutSeconds
        self.wait(seconds: self.server.isDraining ? limits.drainIdleSeconds : seconds)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.server.remove(self)
        self.context = nil
        // They keep it.
        self.line.removeAll()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.server.remove(self)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .opening = self.phase, case .settings = self.unwrapInboundIn(data).payload
        else { return }
        self.phase = .open
        if self.server.isDraining { self.drain() } else { self.settle() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Without its acknowledgements no stream gets far.
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Those of streams come by here too; `HTTP2Wire` sees which of them end the connection.
    }

    // MARK: - Turns

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.serveLineSoon() }
        context.fireChannelWritabilityChanged()
    }

    /// A stream that was full can be written to; it is told when all before it were.
    func standInLine(_ stream: StreamCodec) {
        guard self.context != nil, !stream.isInLine else { return }
        stream.isInLine = true
        self.line.append(stream)
        self.serveLineSoon()
    }

    private func serveLineSoon() {
        guard let context = self.context, !self.isServingLine, !self.line.isEmpty else { return }
        self.isServingLine = true
        context.eventLoop.assumeIsolated().execute { self.serveLine() }
    }

    private func serveLine() {
        self.isServingLine = false
        // Whoever is told may write at once, until the socket is full.
        while self.context?.channel.isWritable ?? true, let stream = self.line.popFirst() {
            stream.takeTurn()
        }
    }

    // MARK: - Streams and bodies

    /// Whether the next is one too many.
    var isFull: Bool { self.streams >= self.server.limits.connectionStreamsMax }

    /// - Returns: Whether there is room for so many more bytes.
    func takeBody(_ bytes: Int) -> Bool {
        self.bodyBytes += bytes
        let limits = self.server.limits
        return self.bodyBytes <= max(limits.streamBodiesBytesMax, limits.messageBytesMax * 2)
    }

    func releaseBody(_ bytes: Int) {
        self.bodyBytes -= bytes
    }

    // MARK: - Deadlines and ends

    private func wait(seconds: Double) {
        self.deadline = self.server.deadline(seconds: seconds)
    }

    /// A connection without streams waits for the next only so long.
    private func settle() {
        guard case .open = self.phase, !self.server.isDraining, !self.isOverBound else { return }
        if self.streams == 0 {
            self.wait(seconds: self.server.limits.idleTimeoutSeconds)
        } else {
            self.deadline = Int.max
        }
    }

    func deadlineReached() {
        self.deadline = Int.max
        switch self.phase {
        case .opening, .lingering: self.context?.close(promise: nil)
        case .open where self.streams == 0: self.end(.noError)
        case .open:
            // Only while the broker stops: a client that knows begins no others.
            self.phase = .ending
            self.write(.goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil))
        case .ending: break
        }
    }

    /// Says which stream was the last and ends the sending side; then what comes is dropped for a
    /// while, so that the client can read it.
    func end(_ code: HTTP2ErrorCode) {
        guard let context = self.context else { return }
        if case .lingering = self.phase { return }
        self.write(.goAway(lastStreamID: self.lastStream, errorCode: code, opaqueData: nil))
        let limits = self.server.limits
        self.linger(context, code == .noError ? limits.lingerSeconds : limits.failedLingerSeconds)
    }

    /// The connection has failed, and the client was told why.
    func failed() {
        guard let context = self.context else { return }
        if case .lingering = self.phase { return }
        self.linger(context, self.server.limits.failedLingerSeconds)
    }

    private func linger(_ context: ChannelHandlerContext, _ seconds: Double) {
        self.phase = .lingering
        self.wait(seconds: seconds)
        context.close(mode: .output, promise: nil)
    }

    /// Event streams end by themselves now, and what was asked is answered: that comes first, as
    /// clients may look at nothing behind a GOAWAY.
    func drain() {
        guard case .open = self.phase else { return }
        self.wait(seconds: self.server.limits.drainIdleSeconds)
    }

    private func write(_ payload: HTTP2Frame.FramePayload) {
        let frame = HTTP2Frame(streamID: .rootStream, payload: payload)
        self.context?.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
    }
}

extension HTTP2Connection: NIOHTTP2StreamDelegate {
    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        self.streams += 1
        self.lastStream = max(self.lastStream, id)
        self.settle()
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
        self.streams -= 1
        if case .ending = self.phase, self.streams == 0 { self.end(.noError) }
        if case .open = self.phase, self.streams == 0, self.isOverBound { self.end(.noError) }
        self.settle()
    }
}
