import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeWire

/// One of the subscriptions of a WebSocket.
///
/// Confined to its event loop.
final class WebSocketSubscription: SubscriptionTransport {
    let name: SubscriptionName
    let format: WireFormat
    private let ref: WebSocketRef?
    private weak var connection: WebSocketHandler?
    var subscription: Subscription?

    init(name: SubscriptionName, ref: WebSocketRef?, windowBits: Int?, connection: WebSocketHandler)
    {
        self.name = name
        self.ref = ref
        self.format = .webSocket(subscription: name, windowBits: windowBits)
        self.connection = connection
    }

    func opening(head: Int64, cursor: Int64?) -> ByteBuffer {
        var text = ByteBufferAllocator().buffer(capacity: 96)
        self.connection?.greetIfDue()
        WebSocketMessage.writeSubscribed(self.name.text, head: head, ref: self.ref, into: &text)
        var frame = ByteBufferAllocator().buffer(capacity: text.readableBytes + 4)
        WebSocketFrame.write(.text, text, isCompressed: false, into: &frame)
        return frame
    }

    func write(_ frames: ByteBuffer) -> Bool {
        guard let connection = self.connection else { return true }
        let isFull = connection.write(frames)
        if isFull { connection.wakeWhenDrained(self) }
        return isFull
    }

    /// Several subscriptions share a socket: what does not fit is read again later.
    func isRefused() -> Bool {
        guard let connection = self.connection, !connection.isWritable else { return false }
        connection.wakeWhenDrained(self)
        return true
    }

    func pageWritten() {
        self.connection?.wakeNext()
    }

    func end(_ reason: SubscriptionEnd) {
        switch reason {
        case .draining: self.connection?.drain()
        case .logUnavailable: self.connection?.close(.internalError, "the log cannot be read")
        case .disconnected:
            self.connection?.close(.serviceRestart, "an operator has ended this connection")
        case .ended(let end): self.connection?.end(self, with: end)
        }
    }

    var address: SocketAddress? { self.connection?.peerAddress }
}
