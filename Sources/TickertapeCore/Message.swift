/// One message as it stands in the log.
package struct Message: Sendable {
    /// Strictly increasing over the whole broker, never reused.
    package let id: Int64
    package let topic: TopicName
    /// When it was committed: milliseconds since 1970-01-01T00:00:00Z, never decreasing with id.
    package let timeMilliseconds: Int64
    /// The `event` field of an event stream; without control characters, at most 128 bytes.
    package let event: String?
    /// What the publisher sorts messages by; at most 256 bytes.
    package let key: String?
    /// The payload: any UTF-8 text.
    package let data: String

    package init(
        id: Int64,
        topic: TopicName,
        timeMilliseconds: Int64,
        event: String?,
        key: String?,
        data: String
    ) {
        self.id = id
        self.topic = topic
        self.timeMilliseconds = timeMilliseconds
        self.event = event
        self.key = key
        self.data = data
    }

    /// What the message costs in memory and in a batch, about.
    package var bytes: Int {
        Self.bytesOverhead + self.topic.text.utf8.count + (self.event?.utf8.count ?? 0)
            + (self.key?.utf8.count ?? 0) + self.data.utf8.count
    }

    /// Counted for every message besides its texts.
    package static let bytesOverhead = 96
}

/// A message before it has an id: what a publisher asks the log to append.
package struct Draft: Sendable {
    package let topic: TopicName
    package let event: String?
    package let key: String?
    package let data: String
    /// Makes a retry return the first answer; scoped to the topic.
    package let idempotencyKey: String?
    /// Whether the topic ends with it.
    package let end: DraftEnd
    /// Stored only if this holds when its turn comes.
    package let condition: PublishCondition?
    /// Those it comes after: once one of them was not stored, it is not either.
    package let sequence: PublishSequence?

    package init(
        topic: TopicName,
        event: String? = nil,
        key: String? = nil,
        data: String,
        idempotencyKey: String? = nil,
        end: DraftEnd = .none,
        condition: PublishCondition? = nil,
        sequence: PublishSequence? = nil
    ) {
        self.topic = topic
        self.event = event
        self.key = key
        self.data = data
        self.idempotencyKey = idempotencyKey
        self.end = end
        self.condition = condition
        self.sequence = sequence
    }

    /// Ends a topic without a message; one that does not exist is created, and has ended.
    ///
    /// Not for `deleted`, which is no end that a publisher or a reader can ask for.
    package static func end(
        _ topic: TopicName,
        reason: TopicEnd.Reason,
        sequence: PublishSequence? = nil
    ) -> Draft {
        precondition(reason != .deleted, "topics are deleted by operators")
        return Draft(topic: topic, data: "", end: .withoutMessage(reason), sequence: sequence)
    }

    /// What the draft costs in the write queue, about.
    package var bytes: Int {
        Message.bytesOverhead + self.topic.text.utf8.count + (self.event?.utf8.count ?? 0)
            + (self.key?.utf8.count ?? 0) + self.data.utf8.count
            + (self.idempotencyKey?.utf8.count ?? 0)
    }
}
