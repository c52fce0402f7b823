import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// A connection that has become a WebSocket.
///
/// Confined to its event loop. Duties:
/// 1. gives bytes to the `WebSocketReader`, one message at a time, and stops reading while the
///    peer has too many publishes unanswered or does not take its replies;
/// 2. carries out commands, and answers publishes when the log has;
/// 3. writes what its subscriptions have, and wakes them one by one when the socket drains;
/// 4. keeps the peer's signs of life, and ends with a close handshake.
final class WebSocketHandler: ChannelInboundHandler, LoopConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let server: LoopServer
    /// With which window messages are compressed, if that was agreed on.
    let windowBits: Int?
    private let isEcho: Bool
    var greeting = Greeting.due
    var context: ChannelHandlerContext?
    private var reader: WebSocketReader
    var machine: WebSocketSessionMachine

    var subscriptions: [SubscriptionName: WebSocketSubscription] = [:]
    /// The number the next unnamed subscription gets, unless a name takes it.
    var nextSubscription = 1
    /// Subscriptions whose socket was full, in the order they are woken.
    private var waiting = CircularBuffer<WebSocketSubscription>(initialCapacity: 1)
    /// Publishes that wait for the log.
    var unanswered = CircularBuffer<Unanswered>(initialCapacity: 1)
    /// The number of the first of `unanswered`.
    var firstNumber = 0

    /// Replies that leave together.
    var replies = ByteBuffer()
    private var isTaking = false
    /// Commands that may still be carried out in this turn.
    var commandsLeft = 0
    /// The others wait for the next turn.
    private var isResting = false
    var isReading = true
    /// When the next heartbeat is due.
    var beatDeadline = Int.max
    /// When the message that is arriving has to be complete.
    var messageDeadline = Int.max

    /// When a peer that showed no credential has to have sent one.
    var authDeadline = Int.max
    /// Who asks; another once a fresh credential came.
    var admitted: Admitted
    /// Of the peer's address.
    let addressShare: ClientShare
    /// Whose streams it counts for.
    private let streamShare: ClientShare
    /// What keeps commands waiting besides: a signature to check, a client that publishes too fast.
    var isVerifying = false
    var isThrottled = false

    var deadline: Int { min(self.beatDeadline, self.messageDeadline, self.authDeadline) }

    /// A publish that waits for the log.
    struct Unanswered {
        let ref: WebSocketRef?
        let topic: TopicName
        let bytes: Int
        /// Whether the topic ends with it.
        let ends: Bool
    }

    enum Greeting {
        /// Comes with the first reply, or sooner to a peer that waits for it.
        case due
        case said
    }

    init(
        server: LoopServer,
        windowBits: Int?,
        isEcho: Bool,
        admitted: Admitted,
        address: ClientShare
    ) {
        self.server = server
        self.windowBits = windowBits
        self.isEcho = isEcho
        self.admitted = admitted
        self.streamShare = admitted.share
        self.addressShare = address
        self.reader = WebSocketReader(
            messageBytesMax: server.limits.commandBytesMax,
            inflates: windowBits != nil
        )
        self.machine = WebSocketSessionMachine(
            countMax: server.limits.unansweredPublishesMax,
            bytesMax: server.limits.unansweredBytesMax,
            pingsMax: server.limits.unansweredPingsMax
        )
    }

    /// Writes the answer to the handshake, and says hello.
    ///
    /// Who chose the subprotocol is greeted at once. Who did not may speak something else, as
    /// conformance suites do: it is greeted when it waits for that, or has sent a command.
    func start(_ response: ByteBuffer, hasChosenProtocol: Bool) {
        self.replies = response
        self.server.add(self)
        self.server.watch(self.admitted.access, for: self)
        if self.admitted.access == nil {
            self.authDeadline = self.server.deadline(seconds: self.server.limits.authSeconds)
        }
        if self.isEcho {
            self.greeting = .said
        } else if hasChosenProtocol {
            self.greet()
        }
        self.beatDeadline = self.server.deadline(
            seconds: self.greeting == .said ? self.server.limits.heartbeatSeconds : 0
        )
        self.writeReplies()
        if self.server.isDraining { self.drain() }
    }

    func greetIfDue() {
        if self.greeting == .due { self.greet() }
    }

    func greet() {
        self.greeting = .said
        let hello = WebSocketMessage.Hello(
            head: self.server.fanout.head,
            limits: self.server.limits
        )
        self.writeText { WebSocketMessage.write(hello, into: &$0) }
    }

    // MARK: - Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        _ = self.machine.failed()
        self.server.remove(self)
        self.server.count.closeStream()
        self.streamShare.closeStream()
        self.server.stopWatching(for: self)
        self.closeSubscriptions()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.machine.hasEnded else { return }
        self.machine.heard()
        self.reader.append(self.unwrapInboundIn(data))
        self.takeMessages()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        self.wakeNext()
        self.takeMessages()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A peer that closes its side without a close frame is gone.
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: - Reading

    /// Looks at messages for as long as that may go on.
    func takeMessages() {
        // What a command causes may come back here.
        guard !self.isTaking, !self.isResting else { return }
        guard !self.mustWait else {
            self.writeReplies()
            return
        }
        self.isTaking = true
        let limits = self.server.limits
        self.commandsLeft = limits.commandsPerTurnMax
        while self.commandsLeft > 0, self.machine.takesMessages, self.isWritable, !self.mustWait,
            let event = self.reader.next(self.windowBits == nil ? nil : self.server.inflater)
        {
            if case .message(_, let payload) = event {
                self.messageDeadline = Int.max
                self.commandsLeft -= 1 + payload.readableBytes / limits.commandBytesCounted
            }
            self.take(event)
            if self.replies.readableBytes >= limits.repliesBytesMax { self.writeReplies() }
        }
        self.isTaking = false
        self.writeReplies()
        if self.reader.isIdle {
            self.messageDeadline = Int.max
        } else if self.messageDeadline == Int.max {
            self.waitForMessage()
        }
        if self.commandsLeft <= 0 { self.rest() }
        // After the end it is still read from, so that what the peer has sent does not reset
        // the connection.
        self.setReading(
            self.machine.hasEnded
                || (self.machine.takesMessages && self.isWritable && !self.isResting
                    && !self.mustWait)
        )
    }

    private var mustWait: Bool { (self.isVerifying || self.isThrottled) && self.machine.isOpen }

    /// Lets the loop poll its sockets before more commands of this one are carried out.
    private func rest() {
        guard let loop = self.context?.eventLoop.assumeIsolated() else { return }
        self.isResting = true
        // A timer, not a task: a task would run before the next poll.
        loop.scheduleTask(in: .microseconds(2)) {
            self.isResting = false
            self.takeMessages()
        }
    }

    func waitForMessage() {
        self.messageDeadline = self.server.deadline(
            seconds: self.server.limits.requestTimeoutSeconds
        )
    }

    private func take(_ event: WebSocketReader.Event) {
        switch event {
        case .message(let isText, let payload) where self.machine.takesCommands:
            if self.isEcho {
                self.echo(payload, isText)
            } else if isText {
                self.take(WebSocketCommand.decode(payload))
            } else {
                self.fail(.unsupportedData, "messages are JSON text")
            }
        case .ping(let payload) where self.machine.takesCommands:
            WebSocketFrame.write(.pong, payload, isCompressed: false, into: &self.replies)
        case .message, .ping, .pong: break
        case .close(let code, _):
            self.perform(self.machine.peerClosed(), code, "")
        case .failure(let code, let reason): self.fail(code, reason)
        }
    }

    private func echo(_ payload: ByteBuffer, _ isText: Bool) {
        self.server.fanout.encoder.writeWebSocket(
            isText ? .text : .binary,
            payload,
            windowBits: self.windowBits,
            into: &self.replies
        )
    }

    private func setReading(_ isReading: Bool) {
        guard isReading != self.isReading, let context = self.context else { return }
        self.isReading = isReading
        // The time in which it was not read from does not count.
        if isReading && self.messageDeadline != Int.max { self.waitForMessage() }
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    // MARK: - Writing

    var isWritable: Bool { self.context?.channel.isWritable ?? false }

    /// Adds a reply to those of this turn; none behind a close (RFC 6455 §5.5.1).
    func reply(_ write: (inout ByteBuffer) -> Void) {
        guard self.machine.isOpen else { return }
        self.greetIfDue()
        self.writeText(write)
    }

    func writeText(_ write: (inout ByteBuffer) -> Void) {
        var text = ByteBufferAllocator().buffer(capacity: 128)
        write(&text)
        WebSocketFrame.write(.text, text, isCompressed: false, into: &self.replies)
    }

    func writeReplies() {
        guard self.replies.readableBytes > 0 else { return }
        var bytes = ByteBuffer()
        swap(&bytes, &self.replies)
        guard let context = self.context else { return }
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
    }

    /// Writes frames of a subscription behind the replies so far.
    ///
    /// - Returns: Whether the socket is full.
    func write(_ frames: ByteBuffer) -> Bool {
        guard let context = self.context, self.machine.takesCommands else { return true }
        if self.replies.readableBytes > 0 {
            self.replies.writeImmutableBuffer(frames)
            self.writeReplies()
        } else {
            context.writeAndFlush(self.wrapOutboundOut(frames), promise: nil)
        }
        return !self.isWritable
    }

    func wakeWhenDrained(_ subscription: WebSocketSubscription) {
        self.waiting.append(subscription)
    }

    /// One at a time, since the page of each may fill the socket again; it wakes the next.
    func wakeNext() {
        guard self.machine.takesCommands else { return }
        while self.isWritable, let next = self.waiting.popFirst() {
            guard let subscription = next.subscription else { continue }
            if self.server.fanout.socketDrained(subscription) { return }
        }
    }

    var peerAddress: SocketAddress? { self.context?.channel.remoteAddress }

    // MARK: - Ends

    func drain() {
        guard self.machine.drain() == .farewell else { return }
        self.sayFarewell()
    }

    func sayFarewell() {
        self.closeSubscriptions()
        self.greetIfDue()
        // The close follows: the machine takes no reply any more.
        self.writeText {
            WebSocketMessage.writeDraining(
                retryMilliseconds: jitteredRetryMilliseconds(),
                into: &$0
            )
        }
        self.perform(.close, .serviceRestart, "the broker is stopping")
        // The peer's close may have been read already.
        self.takeMessages()
    }

    func close(_ code: WebSocketCloseCode, _ reason: String) {
        self.perform(self.machine.close(), code, reason)
    }

    func fail(_ code: WebSocketCloseCode, _ reason: String) {
        self.perform(self.machine.failed(), code, reason)
    }

    private func perform(
        _ action: WebSocketSessionMachine.CloseAction,
        _ code: WebSocketCloseCode?,
        _ reason: String
    ) {
        guard let context = self.context, action != .none else { return }
        self.closeSubscriptions()
        if action != .end { WebSocketFrame.writeClose(code, reason, into: &self.replies) }
        self.messageDeadline = Int.max
        self.writeReplies()
        self.beatDeadline = self.server.deadline(seconds: self.server.limits.closeSeconds)
        guard action != .close else { return }
        // Closing at once could reset the connection before the peer has read why.
        context.close(mode: .output, promise: nil)
        self.setReading(true)
    }

    private func closeSubscriptions() {
        let subscriptions = self.subscriptions.values
        self.subscriptions = [:]
        self.waiting.removeAll()
        for subscription in subscriptions { self.close(subscription) }
    }

    func close(_ subscription: WebSocketSubscription) {
        guard let open = subscription.subscription else { return }
        subscription.subscription = nil
        self.waiting.removeAll { $0 === subscription }
        self.server.fanout.close(open)
    }
}
