import Foundation
import NIOCore
import TickertapeBroker
import TickertapeCore
import TickertapeLog

/// Answers the questions of `/demo/assistant`, as a backend that has a model would: it follows
/// the questions, and publishes each answer token by token to the topic that its question names.
///
/// An answer whose topic was ended by somebody else is given up. One that a restart has cut goes
/// on: the same question has the same tokens, each token its idempotency key, and so the answer is
/// published once more from its beginning, without anything standing twice. Questions from before
/// the start wait for each other; whether one has its whole answer is asked first, which is quick.
///
/// Safety: confined to the event loop of its server.
final class DemoAssistant: @unchecked Sendable {
    /// One answer on its way.
    private struct Answer {
        let topic: TopicName
        var model: DemoModel
        /// Whether its topic is asked first if it has ended.
        var isProbe: Bool
        /// The token that is published next, or is being published.
        var next = 0
        /// When it is published: the time that publishing takes is none of the pace.
        var due: NIODeadline

        var draft: Draft {
            guard !self.isProbe else {
                // No last id is one of none: nothing is stored, and an end is told.
                return Draft(topic: self.topic, data: "", condition: .lastIDIsOneOf([]))
            }
            let tokens = self.model.tokens
            return Draft(
                topic: self.topic,
                data: tokens[self.next],
                idempotencyKey: "\(self.next)",
                end: self.next == tokens.count - 1 ? .withMessage : .none
            )
        }
    }

    private let server: LoopServer
    private let questions: TopicFilter
    private var answers: [Int: Answer] = [:]
    private var lastNumber = 0
    /// The id of the last question looked at, or of another message after it.
    private var cursor: Int64 = 0
    /// Questions that have been read and not looked at, the next one last: it waits for its turn.
    private var waiting: [Message] = []
    /// The head at the start: questions up to it may have been answered.
    private var startID: Int64 = 0
    private var isReading = false
    /// Something came while a page was read.
    private var isDue = false
    private let ticket = ReadTicket()

    /// At a time; who asks beyond that is told so, unless it was before the start.
    private static let answersMax = 64
    private static let questionsPerPage = 100
    private static let questionBytesMax = 16_384
    /// Questions from before a restart are answered if they are as young, and among so many ids.
    private static let lateMilliseconds: Int64 = 600_000
    private static let lateIDs: Int64 = 100_000
    private static let answerPrefix = "demo/assistant/answers/"
    private static let retryDelay = TimeAmount.seconds(1)

    init(_ server: LoopServer) {
        self.server = server
        guard let pattern = try? TopicPattern("demo/assistant/questions/*") else {
            preconditionFailure("the demo's patterns are good")
        }
        self.questions = TopicFilter([pattern])
    }

    func start() {
        self.startID = self.server.fanout.head
        self.cursor = max(0, self.startID - Self.lateIDs)
        // It lives as long as it is waited for: as long as the loop.
        let waiter = HistoryWaiter(isKept: true) { self.read() }
        self.server.fanout.wait(for: self.questions, waiter: waiter)
        self.read()
    }

    private var eventLoop: any EventLoop { self.server.fanout.eventLoop }

    // MARK: - Questions

    private func read() {
        guard !self.server.isDraining else { return }
        guard !self.isReading, self.waiting.isEmpty else {
            self.isDue = true
            return
        }
        self.isReading = true
        let request = PageRequest(
            filter: self.questions,
            after: self.cursor,
            messagesMax: Self.questionsPerPage,
            bytesMax: self.server.limits.historyBytesMin
        )
        self.server.fanout.readPage(request, for: self.ticket) { page in
            page
        } then: { result in
            self.take(result)
        }
    }

    private func take(_ result: Result<Page, LogError>) {
        self.isReading = false
        guard case .success(let page) = result else {
            self.eventLoop.scheduleTask(in: Self.retryDelay) { self.read() }
            return
        }
        self.cursor = page.through
        self.waiting = page.messages.reversed()
        if page.through < page.head { self.isDue = true }
        self.answerWaiting()
    }

    /// As many of the questions as have their turn; then there may be more to read.
    private func answerWaiting() {
        while let message = self.waiting.last {
            guard message.id > self.startID || self.answers.count < Self.answersMax else { return }
            self.waiting.removeLast()
            self.answer(message)
        }
        guard self.isDue, !self.isReading else { return }
        self.isDue = false
        self.read()
    }

    private func answer(_ message: Message) {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let isLate = message.id <= self.startID
        guard now - message.timeMilliseconds < Self.lateMilliseconds,
            message.data.utf8.count <= Self.questionBytesMax,
            let question = try? JSONDecoder().decode(Question.self, from: Data(message.data.utf8)),
            question.model == "demo",
            // What is asked decides where the answer goes, but not to topics of others.
            question.answer.hasPrefix(Self.answerPrefix),
            let topic = try? TopicName(question.answer)
        else { return }
        guard self.answers.count < Self.answersMax else {
            // Not in the middle of an answer, which a second question may name as well.
            let draft = Draft(
                topic: topic,
                data: DemoModel.busyText,
                end: .withMessage,
                condition: .lastIDIsOneOf([0])
            )
            _ = self.server.fanout.publish(draft, reply: self, number: 0)
            return
        }
        var model = DemoModel(question: question.question, seed: UInt64(message.id))
        let thinking = TimeAmount.milliseconds(isLate ? 0 : model.firstDelayMilliseconds())
        let due = self.eventLoop.now + thinking
        self.lastNumber += 1
        self.publishLater(
            Answer(topic: topic, model: model, isProbe: isLate, due: due),
            number: self.lastNumber
        )
    }

    /// What the page publishes.
    private struct Question: Decodable {
        let model: String
        let question: String
        /// The topic of the answer.
        let answer: String
    }

    // MARK: - Answers

    /// It is given up, or complete.
    private func drop(_ number: Int) {
        self.answers[number] = nil
        self.answerWaiting()
    }

    private func publishLater(_ answer: Answer, number: Int) {
        self.answers[number] = answer
        self.eventLoop.scheduleTask(deadline: answer.due) { self.publishNext(of: number) }
    }

    private func publishNext(of number: Int) {
        guard let answer = self.answers[number], !self.server.isDraining else {
            self.answers[number] = nil
            return
        }
        guard !self.server.fanout.publish(answer.draft, reply: self, number: number) else { return }
        // The queue is full; later it is not.
        self.eventLoop.scheduleTask(in: Self.retryDelay) { self.publishNext(of: number) }
    }
}

extension DemoAssistant: PublishReply {
    func published(_ result: AppendResult, number: Int) {
        guard var answer = self.answers[number] else { return }
        let now = self.eventLoop.now
        switch result {
        case .stored:
            answer.next += 1
            answer.due = max(answer.due + .milliseconds(answer.model.nextDelayMilliseconds()), now)
        case .alreadyStored:
            // It stands there from before a restart.
            answer.next += 1
            answer.due = now
        case .failed(.diskFull), .failed(.unavailable):
            // With its key it is not stored twice, whatever became of it.
            answer.due = now + Self.retryDelay
        case .conditionFailed where answer.isProbe:
            answer.isProbe = false
            answer.due = now
        case .topicEnded, .refused, .idempotencyKeyReused, .conditionFailed, .ended, .skipped,
            .failed(.closed):
            return self.drop(number)
        }
        guard answer.next < answer.model.tokens.count else { return self.drop(number) }
        self.publishLater(answer, number: number)
    }

    func publishedAll() {}
}
