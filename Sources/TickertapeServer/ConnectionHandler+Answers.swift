import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// How a connection answers in order, keeps its deadlines, and ends.
extension ConnectionHandler {
    func enqueue(_ problem: Problem, _ end: RequestEnd) {
        let written = self.problem(problem, end)
        self.answers.append(Answer(topic: nil, end: end, written: written))
        self.writeAnswers()
    }

    /// Answers the one request that is running: there is nothing, and never will be.
    func finishWithoutContent(_ end: RequestEnd) {
        self.current = .none
        let written = self.noContent(end)
        self.answers.append(Answer(topic: nil, end: end, written: written))
        self.writeAnswers()
    }

    /// While draining, the last answer says that the connection ends.
    func connection(after end: RequestEnd, isLast: Bool) -> Response.Connection {
        if end.mustClose { return .close }
        guard self.server.isDraining && isLast && self.machine.isIdle && !self.isRunning else {
            return .keep
        }
        return .close
    }

    func writeAnswers() {
        guard self.phase == .open else { return }
        var ready: ByteBuffer?
        var mustClose = false
        while !mustClose, let answer = self.answers.first, let written = answer.written {
            self.answers.removeFirst()
            self.firstNumber += 1
            mustClose = answer.end.mustClose
            switch written {
            case .bytes(var bytes):
                if ready == nil { ready = bytes } else { ready?.writeBuffer(&bytes) }
            case .stream(let answer):
                self.stream?.write(answer)
                self.linger()
                return
            }
        }
        guard let ready else { return }
        self.write(ready)
        if mustClose || self.endsWithDrain || (self.peerIsDone && self.hasNothingToAnswer) {
            self.linger()
            return
        }
        self.settle()
        self.runWaiting()
        self.takeHeld()
        self.takeFailure()
    }

    var hasNothingToAnswer: Bool {
        self.answers.isEmpty && self.held.isEmpty && !self.isRunning && self.failure == nil
    }

    /// Answers a request that did not parse, in its turn.
    func takeFailure() {
        guard self.phase == .open, self.held.isEmpty, let failure = self.failure else { return }
        if let exchange = self.exchangeWithBody {
            self.failure = nil
            exchange.stopReading(failure)
            return
        }
        guard !self.isRunning else { return }
        self.failure = nil
        var end = RequestEnd()
        end.mustClose = true
        self.enqueue(failure, end)
    }

    var endsWithDrain: Bool {
        self.server.isDraining && self.answers.isEmpty && self.machine.isIdle
            && self.held.isEmpty && !self.isRunning
    }

    func runWaiting() {
        guard self.phase == .open, self.answers.isEmpty, case .waiting(let work) = self.current
        else { return }
        self.run(work)
    }

    // MARK: - Deadlines and ends

    func wait(_ deadline: Deadline, seconds: Double) {
        self.waitsFor = deadline
        self.deadline = self.server.deadline(seconds: seconds)
    }

    func waitForRequest() {
        self.wait(.request, seconds: self.server.limits.requestTimeoutSeconds)
    }

    /// Everything that was asked is answered: the next request may take its time.
    func settle() {
        guard self.answers.isEmpty, self.machine.isIdle, !self.isRunning else { return }
        // A slow reader of the last answer has its own deadline.
        guard self.context?.channel.isWritable ?? false else { return }
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
        case (.open, .stream): self.exchange?.deadlineReached()
        case (.open, .reader) where self.isReaderMoving:
            self.wait(.reader, seconds: self.server.limits.requestTimeoutSeconds)
        case (.lingering, .linger) where self.isReaderMoving:
            let limits = self.server.limits
            self.wait(
                .linger,
                seconds: self.stream == nil ? limits.lingerSeconds : limits.requestTimeoutSeconds
            )
        case (.upgraded, _), (.closed, _): break
        default: self.context?.close(promise: nil)
        }
    }

    /// A slow reader is waited for as long as it takes something.
    var isReaderMoving: Bool {
        let unread = self.untakenBytes
        defer { self.unreadBytes = unread }
        return unread > 0 && unread < self.unreadBytes
    }

    /// Ends the sending side and drops what still comes: closing at once could reset the
    /// connection before the peer has read its answer (RFC 9112 §9.6).
    func linger() {
        guard let context = self.context, self.phase == .open else { return }
        self.phase = .lingering
        self.held.removeAll()
        self.setReading(true)
        if let stream = self.stream {
            // It ends when its answer was taken, and each has the time of a slow reader.
            self.wait(.linger, seconds: self.server.limits.requestTimeoutSeconds)
            stream.finish()
            return
        }
        self.wait(.linger, seconds: self.server.limits.lingerSeconds)
        if self.peerIsDone {
            self.closeWhenWritten()
        } else {
            context.close(mode: .output, promise: nil)
        }
    }

    /// Closing drops what is not written yet.
    func closeWhenWritten() {
        guard let context = self.context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: written)
    }

    func drain() {
        guard self.phase == .open else { return }
        self.waiting?.cancel()
        self.exchange?.stopReading(.draining)
        self.settle()
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
        let written =
            switch PublishOutcome(result, topic, self.server) {
            case .published(let id, let isRepeated):
                self.published(
                    isRepeated ? "200 OK" : "201 Created",
                    id: id,
                    topic: topic,
                    answer.end,
                    isLast: isLast,
                    endsTopic: answer.endsTopic
                )
            case .ended(let end): self.content(.end(end), answer.end, isLast: isLast)
            case .refused(let problem): self.problem(problem, answer.end, isLast: isLast)
            }
        self.answers[index].written = written
    }

    func publishedAll() {
        self.writeAnswers()
    }
}
