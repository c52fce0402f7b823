import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import TickertapeCore
import TickertapeWire

/// What Hummingbird leaves open about a connection: how long it may stay without a token, how what is
/// no HTTP is answered, when it is closed for a body that nobody wants, and how long requests may go
/// on once the door closes.
///
/// Confined to its event loop.
final class ConnectionRules: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Sent down the pipeline by whoever is about to read the body of a request.
    struct BodyWanted: Sendable {}

    private let requestGuard: RequestGuard
    private let places: DoorPlaces
    private let limits: Limits
    /// The last answer is out, and the client has not sent the end of its request.
    private var closesBehindBody = false
    private var machine: ConnectionMachine
    /// Whether it has shown the token, where one is needed.
    private var isKnown: Bool
    private var timer: Scheduled<Void>?
    /// Whether nothing more can come from the client.
    private var hasLeft = false

    init(_ requestGuard: RequestGuard, _ places: DoorPlaces, _ limits: Limits) {
        self.requestGuard = requestGuard
        self.places = places
        self.limits = limits
        self.machine = ConnectionMachine(discardedBytesMax: limits.discardedBodyBytesMax)
        self.isKnown = requestGuard.knowsEverybody
        if self.isKnown { self.machine.discardedBytesMax = limits.adminDiscardedBytesMax }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.places.enter(context.channel)
        guard !self.isKnown else { return }
        self.close(context, afterSeconds: self.limits.adminProofSeconds)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.timer?.cancel()
        self.places.leave(context.channel, isKnown: self.isKnown)
    }

    private func close(_ context: ChannelHandlerContext, afterSeconds seconds: Double) {
        self.timer?.cancel()
        let duration = TimeAmount.nanoseconds(Int64(seconds * 1_000_000_000))
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: duration) {
            context.close(promise: nil)
        }
    }

    // What comes in.

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = self.unwrapInboundIn(data)
        if case .end = part, self.closesBehindBody {
            self.closesBehindBody = false
            context.close(mode: .output, promise: nil)
        }
        let isWanted =
            switch part {
            case .head(let head): self.receive(head, context)
            case .body(let bytes): self.machine.receivedBody(bytes: bytes.readableBytes)
            case .end: self.machine.receivedEnd()
            }
        if isWanted { context.fireChannelRead(data) }
    }

    private func receive(_ head: HTTPRequest, _ context: ChannelHandlerContext) -> Bool {
        if !self.isKnown, self.requestGuard.isProved(by: head) {
            // One whose place was given away at this moment is being closed.
            guard self.places.prove(context.channel) else { return false }
            self.isKnown = true
            self.machine.discardedBytesMax = self.limits.adminDiscardedBytesMax
            self.timer?.cancel()
        }
        return self.machine.received(ConnectionMachine.Request(head))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // Whoever reads by demand asks for nothing any more.
        if self.machine.hasEnded { context.read() }
    }

    /// The decoder's errors come by here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return context.fireErrorCaught(error) }
        switch self.machine.failed("this is no HTTP/1.1 request: \(error)") {
        case .none: break
        case .tellReader: context.fireErrorCaught(error)
        case .linger: self.linger(context)
        case .refuse(let reason): self.refuse(reason, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        if event as? ChannelEvent == .inputClosed { self.hasLeft = true }
        if self.machine.hasEnded {
            // The client has its answer, or nobody waits for it any more.
            if self.hasLeft || event is ChannelShouldQuiesceEvent { context.close(promise: nil) }
        } else if event is ChannelShouldQuiesceEvent {
            // The door closes. A stream ends when nothing can come from its client any more; an
            // answer that is being made is still written.
            context.close(mode: .input, promise: nil)
        }
    }

    // What goes out.

    func triggerUserOutboundEvent(
        context: ChannelHandlerContext,
        event: Any,
        promise: EventLoopPromise<Void>?
    ) {
        guard event is BodyWanted else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        promise?.succeed()
        guard self.machine.wantsBody() else { return }
        let head = HTTPResponse(status: .continue)
        context.writeAndFlush(self.wrapOutboundOut(.head(head)), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // A failure would make Hummingbird close the connection before the client has its answer.
        guard !self.machine.hasEnded else {
            promise?.succeed()
            return
        }
        switch self.unwrapOutboundIn(data) {
        case .head(var head) where self.machine.answers():
            head.headerFields[.connection] = "close"
            context.write(self.wrapOutboundOut(.head(head)), promise: promise)
        case .head, .body: context.write(data, promise: promise)
        case .end: self.writeEnd(data, promise, context)
        }
    }

    private func writeEnd(
        _ data: NIOAny,
        _ promise: EventLoopPromise<Void>?,
        _ context: ChannelHandlerContext
    ) {
        switch self.machine.answered() {
        case .none: context.write(data, promise: promise)
        case .refuse(let reason):
            context.write(data, promise: promise)
            self.refuse(reason, context)
        case .linger:
            let written = promise ?? context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { _ in self.linger(context) }
            context.write(data, promise: written)
        }
    }

    func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        // Hummingbird has nothing more to say, and would wait for the client to leave.
        if mode == .output, self.machine.hasEnded {
            promise?.succeed()
        } else {
            context.close(mode: mode, promise: promise)
        }
    }

    private func refuse(_ reason: String, _ context: ChannelHandlerContext) {
        let problem = AdminProblem(.badRequest, reason)
        let response = problem.response
        var fields = response.headers
        fields[.connection] = "close"
        fields.addSecurity()
        let head = HTTPResponse(status: response.status, headerFields: fields)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(problem.json)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            self.linger(context)
        }
    }

    /// Says that nothing more comes, and goes on reading for a moment: a socket that is closed with
    /// bytes unread resets the connection, and the client loses the answer.
    private func linger(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        guard !self.hasLeft else { return context.close(promise: nil) }
        if self.machine.isBodyArriving {
            // Clients exist that drop the answer when the other side ends while they still send.
            self.closesBehindBody = true
        } else {
            context.close(mode: .output, promise: nil)
        }
        context.read()
        self.close(context, afterSeconds: self.limits.lingerSeconds)
    }
}

extension ConnectionMachine.Request {
    init(_ head: HTTPRequest) {
        let fields = head.headerFields
        let isChunked = fields[.transferEncoding] != nil
        self.init(
            length: isChunked ? nil : fields[.contentLength].flatMap { Int($0) } ?? 0,
            awaitsContinue: fields[.expect]?.lowercased() == "100-continue",
            asksForClose: fields[values: .connection].contains {
                $0.lowercased().split(separator: ",").contains { option in
                    option.filter { $0 != " " && $0 != "\t" } == "close"
                }
            }
        )
    }
}
