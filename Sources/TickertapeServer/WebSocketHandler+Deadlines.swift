import NIOCore
import TickertapeCore
import TickertapeWire

/// What becomes of a WebSocket that is silent, slow or gone.
extension WebSocketHandler {
    func deadlineReached() {
        guard self.machine.isOpen else {
            self.beatDeadline = Int.max
            self.messageDeadline = Int.max
            self.context?.close(promise: nil)
            return
        }
        if self.messageDeadline <= self.server.tick { self.messageDeadlineReached() }
        if self.authDeadline <= self.server.tick { self.authDeadlineReached() }
        guard self.beatDeadline <= self.server.tick else { return }
        self.beatDeadline = self.server.deadline(seconds: self.server.limits.heartbeatSeconds)
        guard self.greeting == .said || self.machine.hasBeenHeard else {
            self.greet()
            self.writeReplies()
            return
        }
        switch self.machine.beat(canBeHeard: self.isReading && self.isWritable) {
        case .ping:
            WebSocketFrame.write(.ping, ByteBuffer(), isCompressed: false, into: &self.replies)
            self.writeReplies()
        case .drop: self.context?.close(promise: nil)
        case .none: break
        }
    }

    /// As with a request: what begins to arrive is not held for ever.
    private func messageDeadlineReached() {
        guard self.isReading else {
            // It was not read from: not its fault.
            self.waitForMessage()
            return
        }
        self.messageDeadline = Int.max
        self.fail(
            .protocolError,
            "a message arrives within \(self.server.limits.requestTimeoutSeconds) seconds"
        )
    }
}
