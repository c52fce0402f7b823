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
/// published once more from its beginning, without anything standing twice.
///
/// Safety: confined to the event loop of its server.
final class DemoAssistant: @unchecked Sendable {
    /// One answer on its way.
    private struct Answer {
        let topic: TopicName
        var model: DemoModel
        /// The token that is published next, or is being published.
        var next = 0
        /// When it is published: the time that publishing takes is none of the pace.
        var due: NIODeadline
    }

    private let server: LoopServer
    private let questions: TopicFilter
    private var answers: [Int: Answer] = [:]
    private var lastNumber = 0
    /// The id of the last question looked at, or of another message after it.
    private var cursor: Int64 = 0
    private var isReading = false
    /// Something came while a page was read.
    private var isDue = false
    private let ticket = ReadTicket()

    /// At a time; who asks beyond that is told so.
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
        self.cursor = max(0, self.server.fanout.head - Self.lateIDs)
        // It lives as long as it is waited for: as long as the loop.
        let waiter = HistoryWaiter(isKept: true) { self.read() }
        self.server.fanout.wait(for: self.questions, waiter: waiter)
        self.read()
    }

    private var eventLoop: any EventLoop { self.server.fanout.eventLoop }

    // MARK: - Questions

    private func read() {
        guard !self.server.isDraining else { return }
        guard !self.isReading else {
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
        for message in page.messages { self.answer(message) }
        guard self.isDue || page.through < page.head else { return }
        self.isDue = false
        self.read()
    }

    private func answer(_ message: Message) {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        guard now - message.timeMilliseconds < Self.lateMilliseconds,
            message.data.utf8.count <= Self.questionBytesMax,
            let question = try? JSONDecoder().decode(Question.self, from: Data(message.data.utf8)),
            question.model == "demo",
            // What is asked decides where the answer goes, but not to topics of others.
            question.answer.hasPrefix(Self.answerPrefix),
            let topic = try? TopicName(question.answer)
        else { return }
        guard self.answers.count < Self.answersMax else {
            let draft = Draft(topic: topic, data: DemoModel.busyText, end: .withMessage)
            _ = self.server.fanout.publish(draft, reply: self, number: 0)
            return
        }
        var model = DemoModel(question: question.question, seed: UInt64(message.id))
        let due = self.eventLoop.now + .milliseconds(model.firstDelayMilliseconds())
        self.lastNumber += 1
        self.publishLater(Answer(topic: topic, model: model, due: due), number: self.lastNumber)
    }

    /// What the page publishes.
    private struct Question: Decodable {
        let model: String
        let question: String
        /// The topic of the answer.
        let answer: String
    }

    // MARK: - Answers

    private func publishLater(_ answer: Answer, number: Int) {
        self.answers[number] = answer
        self.eventLoop.scheduleTask(deadline: answer.due) { self.publishNext(of: number) }
    }

    private func publishNext(of number: Int) {
        guard let answer = self.answers[number], !self.server.isDraining else {
            self.answers[number] = nil
            return
        }
        let tokens = answer.model.tokens
        let draft = Draft(
            topic: answer.topic,
            data: tokens[answer.next],
            idempotencyKey: "\(answer.next)",
            end: answer.next == tokens.count - 1 ? .withMessage : .none
        )
        guard !self.server.fanout.publish(draft, reply: self, number: number) else { return }
        // The queue is full; later it is not.
        self.eventLoop.scheduleTask(in: Self.retryDelay) { self.publishNext(of: number) }
    }
}

extension DemoAssistant: PublishReply {
    func published(_ result: AppendResult, number: Int) {
        guard var answer = self.answers.removeValue(forKey: number) else { return }
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
        case .topicEnded, .refused, .idempotencyKeyReused, .conditionFailed, .ended, .skipped,
            .failed(.closed):
            return
        }
        guard answer.next < answer.model.tokens.count else { return }
        self.publishLater(answer, number: number)
    }

    func publishedAll() {}
}
