import NIOCore
import TickertapeCore
import TickertapeWire

/// Decides what becomes of one streaming publish.
///
/// Pure: no IO, no clock. Numbers its messages, bounds what waits for an answer, and knows how it
/// ends: with the first message that is not stored, with its topic, or with its body.
struct PublishStreamMachine: ~Copyable {
    private enum State: Equatable {
        /// Takes messages. Next: all others.
        case open
        /// The topic ends with the last that was taken. Next: `over`.
        case lastTaken
        /// The body has ended, and the end of the topic is on its way. Next: `over`.
        case endingTopic
        /// Takes nothing more, and ends so when all it took is answered. Next: `over`.
        case closing(Ending)
        case over
    }

    /// How the answer ends.
    enum Ending: Equatable {
        /// All messages were stored.
        case clean
        /// The topic has ended, by this request or by somebody else.
        case ended(TopicEnd)
        case failed(Problem)
    }

    enum Action: Equatable {
        case none
        /// End the topic without a message.
        case publishEnd
        /// Tell what was answered, and then this.
        case finish(Ending)
    }

    private var state = State.open
    /// Messages that were taken, and of those the ones that are answered.
    private var takenCount = 0
    private var answeredCount = 0
    /// Of each that is not answered.
    private var sizes = CircularBuffer<Int>()
    private var unansweredBytes = 0
    /// Of answers that the client has not taken.
    private var answerBytes = 0
    /// Somebody has ended the topic while messages were on their way.
    private var noticedEnd: TopicEnd?
    private let limits: Limits
    private let endsTopic: Bool

    /// - Parameters:
    ///   - limits: Of what may wait.
    ///   - endsTopic: Whether the topic ends with the body.
    init(_ limits: Limits, endsTopic: Bool) {
        self.limits = limits
        self.endsTopic = endsTopic
    }

    // MARK: - What may be done

    /// Whether another message may be handed to the log.
    var mayTake: Bool {
        self.state == .open && self.noticedEnd == nil && !self.isAnswerFull
            && self.sizes.count < self.limits.streamedMessagesMax
            && self.unansweredBytes < self.limits.streamedBytesMax
    }

    /// Whether it waits for its client to read.
    var isAnswerFull: Bool { self.answerBytes >= self.limits.streamedAnswerBytesMax }

    /// Whether messages are still taken, now or later.
    var isOpen: Bool { self.state == .open }

    /// Whether its publisher has said that the topic ends: nothing of use comes any more.
    var isLastTaken: Bool { self.state == .lastTaken }

    /// The number of the message that comes next, from 1.
    var nextNumber: Int { self.takenCount + 1 }

    // MARK: - Inputs

    /// A message is on its way to the log, under `nextNumber`.
    mutating func take(bytes: Int, isLast: Bool) {
        precondition(self.state == .open, "nothing is taken behind the end")
        self.takenCount += 1
        self.sizes.append(bytes)
        self.unansweredBytes += bytes
        if isLast { self.state = .lastTaken }
    }

    /// What the client has not taken of its answers.
    mutating func hold(answerBytes: Int) { self.answerBytes = answerBytes }

    /// The next message is none, or may not be published.
    mutating func refuse(_ problem: Problem) -> Action {
        var problem = problem
        problem.line = self.nextNumber
        return self.fail(problem)
    }

    /// It cannot go on, and no message is to blame.
    mutating func fail(_ problem: Problem) -> Action {
        guard self.state == .open else { return .none }
        return self.close(.failed(problem))
    }

    /// The body has ended as it should.
    mutating func bodyEnded() -> Action {
        guard self.state == .open, self.noticedEnd == nil else { return .none }
        guard self.endsTopic else { return self.close(.clean) }
        self.state = .endingTopic
        return .publishEnd
    }

    /// The oldest message without an answer is stored; `end` is that of its topic, if it has ended
    /// with it.
    mutating func stored(end: TopicEnd?) -> Action {
        guard self.state != .over else { return .none }
        self.answer()
        guard self.sizes.isEmpty else { return .none }
        switch self.state {
        case .lastTaken:
            guard let end else { preconditionFailure("the last message ends its topic") }
            return self.finish(.ended(end))
        case .closing(let ending): return self.finish(ending)
        case .open:
            guard let end = self.noticedEnd else { return .none }
            return self.finish(.ended(end))
        case .endingTopic, .over: return .none
        }
    }

    /// The oldest message without an answer is not stored, and none after it.
    mutating func refused(_ problem: Problem) -> Action {
        guard self.state != .over else { return .none }
        var problem = problem
        // The end of the topic is no message.
        if !self.sizes.isEmpty {
            self.answer()
            problem.line = self.answeredCount
        }
        return self.finish(.failed(problem))
    }

    /// The topic has ended without a message, as this request wanted.
    mutating func ended(_ end: TopicEnd) -> Action {
        guard self.state == .endingTopic else { return .none }
        return self.finish(.ended(end))
    }

    /// The topic has ended, whoever did it.
    ///
    /// What is on its way is answered first: some of it may have come before the end.
    mutating func topicEnded(_ end: TopicEnd) -> Action {
        guard self.state == .open else { return .none }
        self.noticedEnd = end
        return self.sizes.isEmpty ? self.finish(.ended(end)) : .none
    }

    /// Nobody is there to be told any more.
    mutating func cancel() { self.state = .over }

    private mutating func answer() {
        guard let bytes = self.sizes.popFirst() else {
            preconditionFailure("the log answers what was handed to it")
        }
        self.unansweredBytes -= bytes
        self.answeredCount += 1
    }

    private mutating func close(_ ending: Ending) -> Action {
        guard self.sizes.isEmpty else {
            self.state = .closing(ending)
            return .none
        }
        return self.finish(ending)
    }

    private mutating func finish(_ ending: Ending) -> Action {
        self.state = .over
        return .finish(ending)
    }
}
