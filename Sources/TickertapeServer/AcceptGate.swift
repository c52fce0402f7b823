import NIOCore

/// Stops accepting while too many connections are open: more wait in the listen backlog, where
/// they cost the process nothing, and no browser sees a refusal.
///
/// Confined to the event loop of the listener.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = Channel
    typealias InboundOut = Channel
    typealias OutboundIn = Channel

    private let count: ConnectionCount
    private let connectionsMax: Int
    private var isWaiting = false

    /// How often a closed gate looks whether it may open.
    private static let interval = TimeAmount.milliseconds(20)

    init(count: ConnectionCount, connectionsMax: Int) {
        self.count = count
        self.connectionsMax = connectionsMax
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.count.opened()
        // Also told of channels that fail before they have a handler.
        let channel = self.unwrapInboundIn(data)
        channel.closeFuture.whenComplete { [count = self.count] _ in count.closed() }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        guard self.count.current >= self.connectionsMax else {
            context.read()
            return
        }
        guard !self.isWaiting else { return }
        self.isWaiting = true
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.interval) {
            self.isWaiting = false
            self.read(context: context)
        }
    }
}
