import NIOCore
import NIOHTTP1
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// One HTTP/1 connection: takes requests, answers them in order.
///
/// Confined to its event loop. Duties:
/// 1. gives the parts of a request to the `RequestMachine` and does what it says;
/// 2. publishes at once, up to a number in flight, and answers when the log has answered;
/// 3. starts everything else only when all before it is answered, so that a read sees the
///    publishes of its own connection;
/// 4. becomes an event stream by giving its place to an `EventStreamHandler`;
/// 5. keeps deadlines, and ends so that the last answer arrives.
final class ConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    let server: LoopServer
    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private(set) var context: ChannelHandlerContext?
    private var machine: RequestMachine

    /// Answers in the order of their requests; those without bytes wait for the log.
    private var answers = CircularBuffer<Answer>(initialCapacity: 2)
    /// The number of the first of `answers`.
    private var firstNumber = 0
    /// Parts that came while something had to be answered first.
    private var held = CircularBuffer<HTTPServerRequestPart>()
    private var isTakingHeld = false
    /// Whether the bytes being read have brought a part of a request.
    private var sawPart = false
    /// What a slow reader of answers had not taken when it was last looked at.
    private var unreadBytes = Int.max
    /// A request that waits for all before it, or is being answered.
    private var current: Current = .none
    private var phase = Phase.open
    /// The peer has closed its side; what it asked before is still answered.
    private var peerIsDone = false
    /// The history request that waits for a message, if one does.
    var waiting: HistoryExchange?

    /// In ticks of the loop; `Int.max` for none.
    private(set) var deadline = Int.max
    private var waitsFor = Deadline.firstRequest

    private struct Answer {
        let topic: TopicName?
        let end: RequestEnd
        var bytes: ByteBuffer?
    }

    private enum Current {
        case none
        case waiting(Work)
        case running
    }

    enum Work {
        case route(Route, RequestEnd)
        case subscribe(SubscribeQuery, RequestEnd)
    }

    private enum Phase {
        case open
        /// The last answer was written; what still comes is dropped until the peer is done.
        case lingering
        /// It is an event stream now.
        case upgraded
        case closed
    }

    private enum Deadline {
        case firstRequest, request, nextRequest, reader, linger, drain
    }

    init(server: LoopServer, decoder: ByteToMessageHandler<HTTPRequestDecoder>) {
        self.server = server
        self.decoder = decoder
        self.machine = RequestMachine(router: server.router)
    }

    // MARK: - Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.server.add(self)
        self.wait(.firstRequest, seconds: self.server.limits.requestTimeoutSeconds)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.server.remove(self)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard self.phase != .upgraded else {
            context.fireChannelInactive()
            return
        }
        self.phase = .closed
        self.server.remove(self)
        self.waiting?.cancel()
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
        if context.channel.isWritable {
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
        if self.phase == .lingering || (self.answers.isEmpty && !self.isRunning) {
            context.close(promise: nil)
        } else {
            self.peerIsDone = true
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The decoder has failed before; what came since is dropped.
        if error is ByteToMessageDecoderError { return }
        guard self.phase == .open, let parserError = error as? HTTPParserError,
            !self.peerIsDone, parserError != .invalidEOFState
        else {
            context.close(promise: nil)
            return
        }
        var end = RequestEnd()
        end.mustClose = true
        self.enqueue(self.problem(of: parserError), end)
    }

    private func problem(of error: HTTPParserError) -> Problem {
        switch error {
        case .headerOverflow:
            let limits = self.server.limits
            return Problem(
                .headersTooLarge,
                """
                a request head has at most \(limits.headBytesMax) bytes and \
                \(limits.headerFieldsMax) fields
                """
            )
        case .invalidVersion:
            return Problem(.httpVersion, "HTTP/1.1 and HTTP/1.0 are served")
        default:
            return Problem(.badRequest, "the request does not parse as HTTP/1.1: \(error)")
        }
    }

    // MARK: - Requests

    private var isRunning: Bool {
        if case .none = self.current { return false }
        return true
    }

    private var mustHold: Bool { !self.held.isEmpty || self.cannotStart }

    private var cannotStart: Bool {
        self.isRunning || self.answers.count >= self.server.limits.pipelinedRequestsMax
            || !(self.context?.channel.isWritable ?? false)
    }

    private func hold(_ part: HTTPServerRequestPart) {
        self.held.append(part)
        self.setReading(false)
    }

    private func setReading(_ isReading: Bool) {
        try? self.context?.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    private func takeHeld() {
        // An answer given at once comes back here.
        guard !self.held.isEmpty, !self.isTakingHeld else { return }
        self.isTakingHeld = true
        defer { self.isTakingHeld = false }
        while self.phase == .open, let part = self.held.first, !self.cannotStart {
            self.held.removeFirst()
            self.received(part)
        }
        if self.held.isEmpty && self.phase != .closed { self.setReading(true) }
    }

    private func received(_ part: HTTPServerRequestPart) {
        if case .head = part, self.waitsFor != .request { self.waitForRequest() }
        let step = self.machine.received(part)
        if case .end = part {
            self.waitsFor = .nextRequest
            self.deadline = Int.max
        }
        switch step {
        case .more: break
        case .sendContinue: self.sendContinue()
        case .publish(let draft, let end): self.publish(draft, end)
        case .start(let route, let end): self.begin(.route(route, end))
        case .subscribe(let query, let end): self.begin(.subscribe(query, end))
        case .refuse(let problem, let end): self.enqueue(problem, end)
        }
        if case .end = part { self.settle() }
    }

    private func sendContinue() {
        // With answers outstanding it would come out of order; the client then sends unasked.
        guard self.answers.isEmpty else { return }
        var buffer = ByteBufferAllocator().buffer(capacity: 32)
        buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        self.write(buffer)
    }

    private func publish(_ draft: Draft, _ end: RequestEnd) {
        let number = self.firstNumber + self.answers.count
        guard self.server.fanout.publish(draft, reply: self, number: number) else {
            self.enqueue(
                Problem(
                    .queueFull,
                    "the log is not keeping up; try again",
                    retryAfterSeconds: self.server.limits.publishRetrySeconds
                ),
                end
            )
            return
        }
        self.answers.append(Answer(topic: draft.topic, end: end, bytes: nil))
    }

    private func begin(_ work: Work) {
        guard self.answers.isEmpty else {
            self.current = .waiting(work)
            return
        }
        self.run(work)
    }

    private func run(_ work: Work) {
        self.current = .running
        switch work {
        case .subscribe(let query, let end): self.subscribe(query, end)
        case .route(let route, let end):
            switch route {
            case .events(let query): self.subscribe(query, end)
            case .history(let query):
                HistoryExchange(query, self).start { self.finish($0, end) }
            case .message(let topic, let id): self.readMessage(topic, id, end)
            case .health: self.finish(self.health, end)
            case .demoPage: self.finish(.success(self.demoPage), end)
            case .demoRedirect: self.finish(.success(.redirect("/demo/")), end)
            case .publish, .eventsByBody: preconditionFailure("these have a body")
            }
        }
    }

    private var health: Result<Answered, Problem> {
        if self.server.isDraining {
            return .failure(.draining)
        }
        guard self.server.fanout.isLogWritable else {
            return .failure(.logUnavailable("the last commit failed"))
        }
        return .success(.json(ByteBuffer(string: "{\"status\":\"ok\"}")))
    }

    private var demoPage: Answered {
        Answered(
            status: "200 OK",
            type: "text/html; charset=utf-8",
            body: ByteBuffer(bytes: self.server.demoPage),
            fields: []
        )
    }

    private func readMessage(_ topic: TopicName, _ id: Int64, _ end: RequestEnd) {
        self.server.fanout.readMessage(id: id) { result in
            switch result {
            case .failure(let error): self.finish(.failure(Problem(error, self.server)), end)
            case .success(let message):
                guard let message, message.topic == topic else {
                    self.finish(
                        .failure(
                            Problem(.messageNotFound, "topic '\(topic)' has no message \(id)")
                        ),
                        end
                    )
                    return
                }
                var body = ByteBufferAllocator().buffer(capacity: message.bytes + 128)
                body.writeJSON(message)
                self.finish(.success(.json(body)), end)
            }
        }
    }

    /// Answers the one request that is running.
    func finish(_ result: Result<Answered, Problem>, _ end: RequestEnd) {
        guard self.phase == .open else { return }
        self.current = .none
        switch result {
        case .success(let answered):
            self.answers.append(Answer(topic: nil, end: end, bytes: nil))
            let bytes = self.server.response.content(
                answered.status,
                type: answered.type,
                answered.body,
                isHead: end.isHead,
                self.connection(after: end, isLast: true),
                fields: answered.fields
            )
            self.answers[self.answers.index(before: self.answers.endIndex)].bytes = bytes
            self.writeAnswers()
        case .failure(let problem): self.enqueue(problem, end)
        }
    }

    // MARK: - Answers

    private func enqueue(_ problem: Problem, _ end: RequestEnd) {
        let bytes = self.server.response.problem(
            problem,
            isHead: end.isHead,
            self.connection(after: end, isLast: true)
        )
        self.answers.append(Answer(topic: nil, end: end, bytes: bytes))
        self.writeAnswers()
    }

    /// While draining, the last answer says that the connection ends.
    private func connection(after end: RequestEnd, isLast: Bool) -> Response.Connection {
        if end.mustClose { return .close }
        guard self.server.isDraining && isLast && self.machine.isIdle else { return .keep }
        return .close
    }

    private func writeAnswers() {
        guard self.phase == .open else { return }
        var ready: ByteBuffer?
        var mustClose = false
        while !mustClose, let answer = self.answers.first, var bytes = answer.bytes {
            self.answers.removeFirst()
            self.firstNumber += 1
            mustClose = answer.end.mustClose
            if ready == nil { ready = bytes } else { ready?.writeBuffer(&bytes) }
        }
        guard let ready else { return }
        self.write(ready)
        if mustClose || self.endsWithDrain || (self.peerIsDone && self.answers.isEmpty) {
            self.linger()
            return
        }
        self.settle()
        self.runWaiting()
        self.takeHeld()
    }

    private var endsWithDrain: Bool {
        self.server.isDraining && self.answers.isEmpty && self.machine.isIdle
            && self.held.isEmpty && !self.isRunning
    }

    private func runWaiting() {
        guard self.answers.isEmpty, case .waiting(let work) = self.current else { return }
        self.run(work)
    }

    private func write(_ buffer: ByteBuffer) {
        guard let context = self.context else { return }
        context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
    }

    // MARK: - Event streams

    private func subscribe(_ query: SubscribeQuery, _ end: RequestEnd) {
        guard let context = self.context else { return }
        let framing: StreamFraming = end.isHTTP10 ? .plain : .chunked
        if let problem = self.streamProblem {
            guard end.acceptsEventStream else {
                self.finish(.failure(problem), end)
                return
            }
            // Anything but 200 would end an EventSource for good.
            self.current = .none
            var farewell = ByteBufferAllocator().buffer(capacity: 64)
            EventStreamFrame.writeFarewell(
                retryMilliseconds: Int64.random(in: 5_000...15_000),
                into: &farewell
            )
            var bytes = self.server.response.eventStreamHead(framing)
            bytes.writeImmutableBuffer(framing.wrap(farewell))
            bytes.writeStaticString(framing.end)
            self.write(bytes)
            self.linger()
            return
        }
        self.phase = .upgraded
        self.server.remove(self)
        let stream = EventStreamHandler(server: self.server, framing: framing)
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandler(stream, position: .after(self))
        } catch {
            context.close(promise: nil)
            return
        }
        self.setReading(true)
        self.held.removeAll()
        stream.start(query)
        pipeline.removeHandler(self.decoder, promise: nil)
        pipeline.removeHandler(self, promise: nil)
    }

    private var streamProblem: Problem? {
        if self.server.isDraining { return .draining }
        guard self.server.count.openStream(max: self.server.limits.streamsMax) else {
            return Problem(
                .tooManyStreams,
                "\(self.server.limits.streamsMax) event streams are open",
                retryAfterSeconds: 10
            )
        }
        return nil
    }

    // MARK: - Deadlines and ends

    private func wait(_ deadline: Deadline, seconds: Double) {
        self.waitsFor = deadline
        self.deadline = self.server.deadline(seconds: seconds)
    }

    private func waitForRequest() {
        self.wait(.request, seconds: self.server.limits.requestTimeoutSeconds)
    }

    /// Everything that was asked is answered: the next request may take its time.
    private func settle() {
        guard self.answers.isEmpty, self.machine.isIdle, !self.isRunning else { return }
        let limits = self.server.limits
        self.wait(
            self.server.isDraining ? .drain : .nextRequest,
            seconds: self.server.isDraining ? limits.drainIdleSeconds : limits.idleTimeoutSeconds
        )
    }

    func deadlineReached() {
        self.deadline = Int.max
        switch (self.phase, self.waitsFor) {
        case (.open, .request):
            var end = RequestEnd()
            end.mustClose = true
            self.enqueue(
                Problem(
                    .requestTimeout,
                    """
                    a request arrives within \(self.server.limits.requestTimeoutSeconds) seconds
                    """
                ),
                end
            )
        case (.open, .reader) where self.isReaderMoving:
            self.wait(.reader, seconds: self.server.limits.requestTimeoutSeconds)
        case (.upgraded, _), (.closed, _): break
        default: self.context?.close(promise: nil)
        }
    }

    /// A slow reader is waited for as long as it takes something.
    private var isReaderMoving: Bool {
        let options = self.context?.channel.syncOptions
        let unread = (try? options?.getOption(.bufferedWritableBytes)) ?? 0
        defer { self.unreadBytes = unread }
        return unread < self.unreadBytes
    }

    /// Ends the sending side and drops what still comes: closing at once could reset the
    /// connection before the peer has read its answer (RFC 9112 §9.6).
    private func linger() {
        guard let context = self.context, self.phase == .open else { return }
        self.phase = .lingering
        self.held.removeAll()
        self.setReading(true)
        self.wait(.linger, seconds: self.server.limits.lingerSeconds)
        if self.peerIsDone {
            let written = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: written)
            written.futureResult.assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        } else {
            context.close(mode: .output, promise: nil)
        }
    }

    func drain() {
        guard self.phase == .open else { return }
        self.waiting?.cancel()
        self.settle()
    }

    func abort() {
        self.context?.close(promise: nil)
    }
}

extension ConnectionHandler: PublishReply {
    func published(_ result: AppendResult, number: Int) {
        guard self.phase == .open else { return }
        let offset = number - self.firstNumber
        precondition(
            self.answers.indices.count > offset && offset >= 0,
            "an answer waits for each publish"
        )
        let index = self.answers.index(self.answers.startIndex, offsetBy: offset)
        let answer = self.answers[index]
        guard let topic = answer.topic else { preconditionFailure("this was no publish") }
        let isLast = offset == self.answers.count - 1 && self.held.isEmpty
        let connection = self.connection(after: answer.end, isLast: isLast)
        var bytes = ByteBufferAllocator().buffer(capacity: 256)
        switch result {
        case .stored(let id):
            self.server.response.published(
                "201 Created",
                id: id,
                topic: topic,
                connection,
                into: &bytes
            )
        case .alreadyStored(let id):
            self.server.response.published(
                "200 OK",
                id: id,
                topic: topic,
                connection,
                into: &bytes
            )
        case .idempotencyKeyReused:
            bytes = self.server.response.problem(
                Problem(
                    .idempotencyKeyReused,
                    "this Idempotency-Key came with other content before; use a new one"
                ),
                isHead: false,
                connection
            )
        case .failed(let error):
            bytes = self.server.response.problem(
                Problem(error, self.server),
                isHead: false,
                connection
            )
        }
        self.answers[index].bytes = bytes
    }

    func publishedAll() {
        self.writeAnswers()
    }
}
