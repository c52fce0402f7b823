package import TickertapeCore
import TickertapeLog
package import TickertapeWire

/// What became of a publish, as clients are told on every transport.
enum PublishOutcome {
    case published(id: Int64, isRepeated: Bool)
    /// It had no message: the topic has ended.
    case ended(TopicEnd)
    case refused(Problem)

    init(_ result: AppendResult, _ topic: TopicName, _ server: LoopServer) {
        switch result {
        case .stored(let id): self = .published(id: id, isRepeated: false)
        case .alreadyStored(let id): self = .published(id: id, isRepeated: true)
        case .ended(let end): self = .ended(end)
        case .idempotencyKeyReused: self = .refused(.idempotencyKeyReused)
        case .refused(let refusal): self = .refused(Problem(refusal))
        case .topicEnded(let end): self = .refused(Problem(end))
        case .conditionFailed(let lastID): self = .refused(Problem(lastID: lastID, of: topic))
        case .skipped:
            self = .refused(Problem(.notStored, "another message of this request was refused"))
        case .failed(let error): self = .refused(Problem(error, server))
        }
    }
}

extension Problem {
    /// Why nothing is published to a topic that has ended.
    package init(_ end: TopicEnd) {
        self.init(.topicEnded, "topic '\(end.topic)' has ended (\(end.reason.rawValue))")
    }

    /// Why a publish with a condition was not stored.
    package init(lastID: Int64, of topic: TopicName) {
        self.init(
            .preconditionFailed,
            lastID == 0
                ? "topic '\(topic)' has had no message"
                : "the last id of topic '\(topic)' is \(lastID)"
        )
        self.lastID = lastID
    }
}
