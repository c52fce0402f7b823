import NIOCore
import TickertapeAccess
import TickertapeBroker
import TickertapeCore
import TickertapeLog
import TickertapeWire

/// What a streaming publish is told by the log.
extension PublishExchange: PublishReply {
    func published(_ result: AppendResult, number: Int) {
        guard self.connection != nil, self.ending == nil else { return }
        self.newsCount += 1
        let answered = self.unanswered.popFirst()
        let topic = answered?.topic ?? self.target.topic
        guard let topic else { preconditionFailure("an answer belongs to a message or to the end") }
        switch PublishOutcome(result, topic, self.server) {
        case .published(let id, let isRepeated):
            self.answeredCount += 1
            let endsTopic = answered?.endsTopic ?? false
            self.runs.add(
                self.answeredCount,
                id: id,
                topic: self.target.topic == nil ? topic : nil,
                isRepeated: isRepeated,
                endsTopic: endsTopic
            )
            self.hasTakenLast = endsTopic && self.target.topic != nil
            self.perform(
                self.machine.stored(end: self.hasTakenLast ? self.end(of: topic, id) : nil)
            )
        case .ended(let end): self.perform(self.machine.ended(end))
        case .refused(let problem): self.perform(self.machine.refused(problem))
        }
    }

    /// How the topic has ended with this message, now or when it was published first.
    private func end(of topic: TopicName, _ id: Int64) -> TopicEnd {
        self.server.fanout.end(of: TopicFilter(topic: topic))?.last
            ?? TopicEnd(topic: topic, reason: .ended, lastID: id, timeMilliseconds: 0)
    }

    func publishedAll() {
        guard self.connection != nil, self.newsCount > 0 else { return }
        let count = self.newsCount
        self.newsCount = 0
        self.writeLinesInStep(count)
        if self.waitsForRoom {
            self.waitsForRoom = false
            self.retry?.cancel()
            self.retry = nil
        }
        self.pump()
    }
}

extension PublishExchange: TopicPublisher {
    func topicEnded(_ end: TopicEnd) {
        self.perform(self.machine.topicEnded(end))
    }
}

/// What was granted to a stream ends it.
extension PublishExchange: AccessHolder {
    func accessExpires(inSeconds seconds: Int) {}

    func accessEnded(_ end: AccessEnd) {
        self.perform(
            self.machine.fail(Problem(.unauthorized, Problem(end).detail + "; come with another"))
        )
    }
}
