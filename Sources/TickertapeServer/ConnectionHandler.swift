import NIOCore
import NIOHTTP1
import NIOSSL
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// One HTTP/1 connection or one stream of HTTP/2: takes requests, answers them in order.
///
/// Confined to its event loop. Duties:
/// 1. gives the parts of a request to the `RequestMachine` and does what it says;
/// 2. publishes at once, up to a number in flight, and answers when the log has answered;
/// 3. starts everything else only when all before it is answered, so that a read sees the
///    publishes of its own connection;
/// 4. becomes an event stream or a WebSocket by giving its place to another handler;
/// 5. keeps deadlines, and ends so that the last answer arrives.
final class ConnectionHandler: ChannelInboundHandler, RemovableChannelHandler, LoopConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    let server: LoopServer
    /// What makes frames of its answers, when it is a stream of HTTP/2; a stream has one request.
    let stream: StreamCodec?
    /// What stands before it in the pipeline, and leaves with it.
    var parsers: [any RemovableChannelHandler] = []
    private(set) var context: ChannelHandlerContext?
    var machine: RequestMachine

    /// Answers in the order of their requests; those that are not written wait for the log.
    var answers = CircularBuffer<Answer>(initialCapacity: 2)
    /// The number of the first of `answers`.
    var firstNumber = 0
    /// Parts that came while something had to be answered first.
    var held = CircularBuffer<HTTPServerRequestPart>()
    var isTakingHeld = false
    /// Whether the bytes being read have brought a part of a request.
    var sawPart = false
    /// What a slow reader of answers had not taken when it was last looked at.
    var unreadBytes = Int.max
    /// A request that waits for all before it, or is being answered.
    var current: Current = .none
    var phase = Phase.open
    /// The peer has closed its side; what it asked before is still answered.
    var peerIsDone = false
    /// What made the decoder give up; told once all before it is answered.
    var failure: Problem?
    /// The history request that is read or waits for a message, if there is one.
    var waiting: HistoryExchange?

    /// What it holds of pages of history that its client has not taken.
    var historyBytes = 0
    /// Its client publishes too fast: for a moment it is not read.
    var isThrottled = false

    /// In ticks of the loop; `Int.max` for none.
    var deadline = Int.max
    var waitsFor = Deadline.firstRequest

    struct Answer {
        let topic: TopicName?
        let end: RequestEnd
        var written: Written?
        /// Whether the topic ends with what is published.
        var endsTopic = false
    }

    enum Current {
        case none
        case waiting(Work)
        case running
        /// A streaming publish, whose body is given to it.
        case publishing(PublishExchange)
        /// A request whose head is here, and is looked at again when its credential was verified.
        case verifying(HTTPServerRequestPart)
    }

    enum Work {
        case route(Route, RequestEnd)
        case subscribe(SubscribeQuery, RequestEnd)
        case stream(StreamedPublish, RequestEnd)
        case batch([Draft], RequestEnd)
        /// An event stream that cannot be served now.
        case putOff(Problem, RequestEnd)
    }

    enum Phase {
        case open
        /// The last answer was written; what still comes is dropped until the peer is done.
        case lingering
        /// It is an event stream or a WebSocket now.
        case upgraded
        case closed
    }

    enum Deadline {
        case firstRequest, request, nextRequest, reader, stream, linger, drain
    }

    init(server: LoopServer, peer: Peer, stream: StreamCodec? = nil) {
        self.server = server
        self.stream = stream
        self.machine = RequestMachine(
            router: server.router,
            admission: server.admission,
            peer: peer,
            majorVersion: stream == nil ? 1 : 2
        )
    }

    // MARK: - Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.server.add(self)
        // One too many is heard, but not for long.
        let isOverBound = self.machine.peer.isOverBound
        self.wait(
            .firstRequest,
            seconds: isOverBound
                ? self.server.limits.lingerSeconds : self.server.limits.requestTimeoutSeconds
        )
        if self.server.isDraining { self.settle() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.server.remove(self)
        self.context = nil
        self.parsers = []
        self.letGoHistory()
        self.exchange?.cancel()
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard self.phase != .upgraded else {
            context.fireChannelInactive()
            return
        }
        self.phase = .closed
        self.server.remove(self)
        self.waiting?.cancel()
        self.exchange?.cancel()
        self.letGoHistory()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.phase == .open else { return }
        self.sawPart = true
        let part = self.unwrapInboundIn(data)
        if self.mustHold {
            self.hold(part)
            return
        }
        self.received(part)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Bytes came and no request with them: a head dribbles in.
        defer { self.sawPart = false }
        guard !self.sawPart, self.phase == .open, self.machine.isIdle, self.answers.isEmpty
        else { return }
        switch (self.waitsFor, self.current) {
        case (.firstRequest, .none), (.nextRequest, .none), (.drain, .none):
            self.waitForRequest()
        default: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if self.phase == .upgraded { context.fireChannelWritabilityChanged() }
        guard self.phase == .open else { return }
        if let exchange = self.exchange {
            context.channel.isWritable ? exchange.socketDrained() : exchange.socketFilled()
        } else if context.channel.isWritable {
            self.letGoHistory()
            if self.waitsFor == .reader {
                self.deadline = Int.max
                if !self.machine.isIdle { self.waitForRequest() }
                self.settle()
            }
            self.takeHeld()
        } else {
            self.unreadBytes = Int.max
            self.wait(.reader, seconds: self.server.limits.requestTimeoutSeconds)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        let isInputClosed = event as? ChannelEvent == .inputClosed
        guard isInputClosed, self.phase != .upgraded else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        // The peer sends no more. What is in flight is still answered.
        self.peerIsDone = true
        if self.phase == .lingering {
            self.closeWhenWritten()
        } else if self.hasNothingToAnswer {
            self.linger()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The decoder has failed before; what came since is dropped.
        if error is ByteToMessageDecoderError { return }
        // The peer ended its side without saying so in TLS; `inputClosed` follows.
        if case .uncleanShutdown = error as? NIOSSLError { return }
        if let refusal = error as? StreamRefusal, self.phase == .open {
            self.failure = refusal.problem
            self.takeFailure()
            return
        }
        if self.phase == .open, self.exchangeWithBody != nil,
            case .invalidEOFState = error as? HTTPParserError
        {
            self.peerIsDone = true
            self.failure = Problem(.badRequest, "the body breaks off")
            self.takeFailure()
            return
        }
        guard self.phase == .open, let parserError = error as? HTTPParserError,
            !self.peerIsDone, parserError != .invalidEOFState
        else {
            context.close(promise: nil)
            return
        }
        self.failure = Problem(parserError, self.server.limits)
        self.takeFailure()
    }

    // MARK: - Requests

    var isRunning: Bool {
        if case .none = self.current { return false }
        return true
    }

    var mustHold: Bool { !self.held.isEmpty || self.cannotStart }

    var cannotStart: Bool {
        if let exchange = self.exchange { return !exchange.wantsMore }
        return self.isRunning || self.isThrottled
            || self.answers.count >= self.server.limits.pipelinedRequestsMax
            || !(self.context?.channel.isWritable ?? false)
            // Nobody would learn what became of a request behind the last one (RFC 9112 §9.6).
            || (self.answers.last?.end.mustClose ?? false)
    }

    func hold(_ part: HTTPServerRequestPart) {
        self.held.append(part)
        self.setReading(false)
    }

    func takeHeld() {
        // An answer given at once comes back here.
        guard !self.held.isEmpty, !self.isTakingHeld else { return }
        self.isTakingHeld = true
        defer { self.isTakingHeld = false }
        while self.phase == .open, let part = self.held.first, !self.cannotStart {
            self.held.removeFirst()
            self.received(part)
        }
        if self.held.isEmpty && self.phase != .closed { self.setReading(true) }
        self.takeFailure()
    }

    func received(_ part: HTTPServerRequestPart) {
        if case .head = part, self.waitsFor != .request { self.waitForRequest() }
        let step = self.machine.received(part)
        if case .verify(let credential) = step {
            self.verify(credential, for: part)
            return
        }
        guard case .end = part else {
            self.take(step)
            return
        }
        self.waitsFor = .nextRequest
        self.deadline = Int.max
        self.take(step)
        self.settle()
    }

    /// A complete publish whose head was known; nothing is held.
    func receivedPublish(_ publish: PlainPublish, _ payload: ByteBuffer) {
        guard self.phase == .open else { return }
        self.sawPart = true
        self.waitsFor = .nextRequest
        self.deadline = Int.max
        var end = RequestEnd()
        end.admitted = publish.admitted
        self.take(
            RequestMachine.publish(payload, to: publish.target, PublishTerms(), end)
        )
        self.settle()
    }

    func take(_ step: RequestStep) {
        switch step {
        case .more, .verify: break
        case .sendContinue: self.sendContinue()
        case .publish(let draft, let end): self.publish(draft, end)
        case .stream(let publish, let end):
            self.deadline = Int.max
            self.begin(.stream(publish, end))
        case .streamed(let bytes): self.exchange?.received(bytes)
        case .streamEnded: self.exchange?.bodyEnded()
        case .batch(let drafts, let end): self.begin(.batch(drafts, end))
        case .start(.stop(let topic), let end):
            self.publish(Draft.end(topic, reason: .stopped), end)
        case .start(let route, let end): self.begin(.route(route, end))
        case .subscribe(let query, let end): self.begin(.subscribe(query, end))
        case .refuse(let problem, let end):
            if problem.retryAfterSeconds != nil, end.acceptsEventStream {
                self.begin(.putOff(problem, end))
            } else {
                self.enqueue(problem, end)
            }
        }
    }

    func sendContinue() {
        if let stream = self.stream {
            stream.sendContinue()
            return
        }
        // With answers outstanding it would come out of order; the client then sends unasked.
        guard self.answers.isEmpty else { return }
        var buffer = ByteBufferAllocator().buffer(capacity: 32)
        buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        self.write(buffer)
    }

    func publish(_ draft: Draft, _ end: RequestEnd) {
        if let admitted = end.admitted {
            do throws(RateExceeded) {
                try self.server.admission.checkRate(admitted.share, draft.topic, bytes: draft.bytes)
            } catch {
                self.throttle(error, end)
                return
            }
        }
        let number = self.firstNumber + self.answers.count
        guard self.server.fanout.publish(draft, reply: self, number: number) else {
            self.enqueue(
                .queueFull(self.server.limits),
                end
            )
            return
        }
        let endsTopic = draft.end == .withMessage
        self.answers.append(Answer(topic: draft.topic, end: end, endsTopic: endsTopic))
    }

    func begin(_ work: Work) {
        guard self.answers.isEmpty else {
            self.current = .waiting(work)
            return
        }
        self.run(work)
    }

    func run(_ work: Work) {
        self.current = .running
        switch work {
        case .subscribe(let query, let end): self.subscribe(query, end)
        case .putOff(let problem, let end): self.putOff(problem, end)
        case .stream(let publish, let end): self.startStream(publish, end)
        case .batch(let drafts, let end): self.startBatch(drafts, end)
        case .route(let route, let end):
            switch route {
            case .events(let query): self.subscribe(query, end)
            case .history(let query):
                HistoryExchange(query, end.admitted?.access, self).start { self.finish($0, end) }
            case .message(let topic, let id): self.readMessage(topic, id, end)
            case .health: self.finish(self.health, end)
            case .webSocket(let offer): self.upgrade(offer, end)
            case .clientFile(let file, let tags): self.finish(.success(.client(file, tags)), end)
            case .demoPage(let page): self.finish(.success(.demo(page)), end)
            case .demoRedirect: self.finish(.success(.redirect("/demo/")), end)
            case .preflight: self.finishWithoutContent(end)
            case .publish, .publishStream, .publishBatch, .stop, .eventsByBody:
                preconditionFailure("these are taken apart before")
            }
        }
    }

    /// Answers the one request that is running.
    func finish(_ result: Result<Answered, Problem>, _ end: RequestEnd) {
        guard self.phase == .open else { return }
        self.current = .none
        switch result {
        case .success(let answered):
            let written = self.content(answered, end)
            self.answers.append(Answer(topic: nil, end: end, written: written))
            self.writeAnswers()
        case .failure(let problem): self.enqueue(problem, end)
        }
    }
}
