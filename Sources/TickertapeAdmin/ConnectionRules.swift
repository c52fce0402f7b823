import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import TickertapeWire

/// What Hummingbird leaves open about a connection: how bytes that are no HTTP are answered, and how
/// long requests may go on once the door closes.
///
/// Confined to its event loop.
final class ConnectionRules: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Requests whose answer has not been written to its end.
    private var unanswered = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head = self.unwrapInboundIn(data) { self.unanswered += 1 }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = self.unwrapOutboundIn(data) { self.unanswered -= 1 }
        context.write(data, promise: promise)
    }

    /// The decoder's errors come by here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // In the middle of a request it is its body that is broken: whoever reads it has to know, or
        // half of it would be taken for the whole.
        guard error is HTTPParserError, self.unanswered == 0 else {
            return context.fireErrorCaught(error)
        }
        let problem = AdminProblem(.badRequest, "this is no HTTP/1.1 request: \(error)")
        let response = problem.response
        var fields = response.headers
        fields[.connection] = "close"
        fields[.cacheControl] = "no-store"
        fields[.xContentTypeOptions] = "nosniff"
        let head = HTTPResponse(status: response.status, headerFields: fields)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(problem.json)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard event is ChannelShouldQuiesceEvent else { return }
        // The door closes. A stream ends when nothing can come from its client any more; an answer
        // that is being made is still written.
        context.close(mode: .input, promise: nil)
    }
}
