import NIOCore
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// A streaming publish whose head was good.
struct StreamedPublish {
    let target: StreamTarget
    /// Makes the messages without a key of their own repeatable.
    let idempotencyKey: String?
    /// The client sends its body when it is told to.
    let awaitsContinue: Bool
}

/// One streaming publish: reads messages as they come, hands them to the log, and answers in step.
///
/// Confined to its event loop. The connection gives it the body piece by piece as long as it wants
/// more, and holds everything else until the answer has ended. What it waits for (room in the write
/// queue, the rate of its client, answers of the log, a client that reads) it asks again for itself.
final class PublishExchange {
    /// What is handed to the log next, as soon as there is room.
    private struct Next {
        let draft: Draft
        /// It counts as published for the rate of the client.
        var isPaid: Bool
        /// The end of the topic, without a message.
        var isEnd: Bool {
            if case .withoutMessage = self.draft.end { return true }
            return false
        }
    }

    struct Unanswered {
        let topic: TopicName
        let endsTopic: Bool
    }

    let target: StreamTarget
    private let key: String?
    let end: RequestEnd
    let server: LoopServer
    weak var connection: ConnectionHandler?
    var machine: PublishStreamMachine
    var reader: StreamedMessageReader
    private let sequence = PublishSequence()
    var unanswered = CircularBuffer<Unanswered>()
    var answeredCount = 0
    private var next: Next?

    /// Nothing of what came is a whole message any more.
    var isReaderEmpty = true
    var hasBodyEnded = false
    /// What stands behind the last end of a line was looked at.
    private var hasReadLast = false
    /// Why nothing more is read; told when all that came before is answered.
    var lastWords: Problem?
    /// Of the body, what was told to the stream as taken.
    private var pieceBytes = 0

    var runs = AnswerRuns()
    /// Results that have come in this turn.
    var newsCount = 0
    var pacer = AnswerPacer()
    var heldAnswers: Scheduled<Void>?
    var ending: PublishStreamMachine.Ending?
    var isEndingWritten = false
    var isWriting = false
    private var isPumping = false
    var timing = Timing.none
    var retry: Scheduled<Void>?
    /// What it asks again for is room in the write queue.
    var waitsForRoom = false

    /// Between two questions whether the write queue has room, at first and at last.
    private static let roomMilliseconds: ClosedRange<Int64> = 5...200
    private var roomMilliseconds = PublishExchange.roomMilliseconds.lowerBound
    /// What is written at once.
    static let linesBytesMax = 32_768

    init(_ publish: StreamedPublish, _ end: RequestEnd, _ connection: ConnectionHandler) {
        let limits = connection.server.limits
        self.target = publish.target
        self.key = publish.idempotencyKey
        self.end = end
        self.server = connection.server
        self.connection = connection
        self.machine = PublishStreamMachine(limits, endsTopic: publish.target.endsTopic)
        self.reader = StreamedMessageReader(
            publish.target.format,
            lineBytesMax: limits.lineBytesMax,
            dataBytesMax: limits.messageBytesMax
        )
    }

    func start() {
        // The socket may have failed while the head was written.
        guard self.connection != nil else { return }
        self.server.watch(self.end.admitted?.access, for: self)
        if let topic = self.target.topic { self.server.fanout.watch(topic, for: self) }
        self.keepTime()
    }

    /// Whether the next piece of the body may come.
    var wantsMore: Bool {
        guard !self.hasBodyEnded else { return false }
        // The rest is dropped; its end lets the connection live.
        if self.machine.isLastTaken || self.isEndingWritten { return true }
        return self.machine.isOpen && self.isReaderEmpty && self.next == nil
    }

    // MARK: - The body

    func received(_ bytes: ByteBuffer) {
        self.pieceBytes += bytes.readableBytes
        if self.machine.isOpen {
            self.reader.append(bytes)
            self.isReaderEmpty = false
        }
        self.pump()
        self.releaseBody()
    }

    func bodyEnded() {
        self.hasBodyEnded = true
        if self.isEndingWritten {
            self.finish()
            return
        }
        self.isReaderEmpty = false
        self.pump()
    }

    /// Nothing more comes, for this reason; what came is published.
    func stopReading(_ problem: Problem) {
        self.lastWords = self.lastWords ?? problem
        self.pump()
    }

    /// Over HTTP/2 what was taken makes room for the bodies of other streams.
    private func releaseBody() {
        let waiting = self.next?.draft.bytes ?? 0
        let held = self.machine.isOpen ? self.reader.heldBytes + waiting : 0
        guard self.pieceBytes > held else { return }
        self.connection?.stream?.releaseBody(bytes: self.pieceBytes - held)
        self.pieceBytes = held
    }

    /// Hands over what may be handed over, and asks for more.
    func pump() {
        guard !self.isPumping, self.ending == nil else {
            self.keepTime()
            return
        }
        self.isPumping = true
        while self.retry == nil, self.handOverNext() {}
        self.isPumping = false
        self.releaseBody()
        self.connection?.takeHeld()
        self.keepTime()
    }

    /// - Returns: Whether there may be another.
    private func handOverNext() -> Bool {
        guard self.ending == nil else { return false }
        if self.next == nil, self.machine.mayTake {
            self.next = self.nextDraft().map { Next(draft: $0, isPaid: false) }
        }
        if let next = self.next { return self.handOver(next) }
        guard self.isReaderEmpty, self.ending == nil else { return false }
        if self.hasBodyEnded {
            self.perform(self.machine.bodyEnded())
            return self.next != nil
        }
        if let lastWords, self.connection?.held.isEmpty ?? true {
            self.perform(self.machine.fail(lastWords))
        }
        return false
    }

    private func handOver(_ next: Next) -> Bool {
        guard next.isEnd || self.machine.isOpen else {
            self.next = nil
            return false
        }
        let draft = next.draft
        if !next.isPaid, let share = self.end.admitted?.share {
            do throws(RateExceeded) {
                try self.server.admission.checkRate(share, draft.topic, bytes: draft.bytes)
            } catch {
                // Not longer: the rate may be another by then.
                let seconds = min(error.seconds, self.server.limits.throttleSecondsMax)
                self.askAgain(in: .nanoseconds(Int64(seconds * 1_000_000_000) + 1))
                return false
            }
            self.next?.isPaid = true
        }
        let isPublished = self.server.fanout.publish(
            draft,
            reply: self,
            number: self.machine.nextNumber,
            asksAgain: true
        )
        guard isPublished else {
            self.waitsForRoom = true
            // Ever less often: where very many wait, those who ask cost more than those who write.
            let milliseconds = self.roomMilliseconds
            self.roomMilliseconds = min(milliseconds * 2, Self.roomMilliseconds.upperBound)
            self.askAgain(in: .milliseconds(Int64.random(in: milliseconds...(milliseconds * 2))))
            return false
        }
        self.roomMilliseconds = Self.roomMilliseconds.lowerBound
        self.next = nil
        guard !next.isEnd else { return false }
        let endsTopic = draft.end != .none
        let isLast = endsTopic && self.target.topic != nil
        self.machine.take(bytes: draft.bytes, isLast: isLast)
        self.pacer.took()
        self.unanswered.append(Unanswered(topic: draft.topic, endsTopic: endsTopic))
        return true
    }

    private func askAgain(in time: TimeAmount) {
        self.retry = self.server.fanout.eventLoop.assumeIsolated().scheduleTask(in: time) {
            self.retry = nil
            self.waitsForRoom = false
            self.pump()
        }
    }

    private func nextDraft() -> Draft? {
        do throws(Problem) {
            guard let message = try self.nextMessage() else { return nil }
            let draft = try self.server.router.draft(
                message,
                number: self.machine.nextNumber,
                of: self.target,
                key: self.key,
                sequence: self.sequence
            )
            if self.target.topic == nil {
                try self.server.admission.checkPublish(self.end.admitted?.access, to: draft.topic)
            }
            return draft
        } catch {
            self.perform(self.machine.refuse(error))
            return nil
        }
    }

    private func nextMessage() throws(Problem) -> StreamedMessage? {
        guard !self.isReaderEmpty else { return nil }
        if let message = try self.reader.next() { return message }
        if self.hasBodyEnded, !self.hasReadLast {
            self.hasReadLast = true
            if let message = try self.reader.last() { return message }
        }
        self.isReaderEmpty = true
        return nil
    }

    // MARK: - The answer

    func perform(_ action: PublishStreamMachine.Action) {
        switch action {
        case .none: break
        case .publishEnd:
            guard let topic = self.target.topic else {
                preconditionFailure("a request that ends a topic names it")
            }
            let draft = Draft.end(topic, reason: .ended, sequence: self.sequence)
            self.next = Next(draft: draft, isPaid: false)
        case .finish(let ending):
            self.ending = ending
            self.next = nil
            self.retry?.cancel()
            self.retry = nil
            self.writeLines()
        }
    }

    /// Its publisher has ended the topic by a message.
    var hasTakenLast = false

    /// The end of the answer that was held back.
    func finish() {
        self.connection?.write(lines: ByteBuffer(), self.end, isLast: true)
        self.leave()
    }

    func leave() {
        let connection = self.connection
        self.letGo()
        connection?.streamFinished(self.end, hasBodyEnded: self.hasBodyEnded)
    }

    private func letGo() {
        self.connection = nil
        self.server.count.closeStream()
        self.end.admitted?.share.closeStream()
        self.machine.cancel()
        self.retry?.cancel()
        self.retry = nil
        self.heldAnswers?.cancel()
        self.heldAnswers = nil
        self.next = nil
        self.server.stopWatching(for: self)
        if let topic = self.target.topic { self.server.fanout.stopWatching(topic, for: self) }
    }

    /// The connection is gone; what was handed over is stored all the same.
    func cancel() {
        if self.connection != nil { self.letGo() }
    }

    // MARK: - The socket and time

    func socketDrained() {
        self.writeLines()
        self.pump()
    }

    func socketFilled() { self.keepTime() }
}
