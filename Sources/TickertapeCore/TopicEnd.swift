/// That a topic has ended: nothing is published to it any more, unless it is reopened.
package struct TopicEnd: Hashable, Sendable {
    package enum Reason: String, CaseIterable, Sendable {
        /// By its publisher, with its last message or after it.
        case ended
        /// At the wish of a reader.
        case stopped
        /// An operator has removed the topic with everything in it.
        case deleted
    }

    package let topic: TopicName
    package let reason: Reason
    /// The id of its last message when it ended; 0 when it had none.
    ///
    /// The message may have been removed since. A reader with this cursor or a later one has nothing
    /// to come.
    package let lastID: Int64
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let timeMilliseconds: Int64

    package init(topic: TopicName, reason: Reason, lastID: Int64, timeMilliseconds: Int64) {
        self.topic = topic
        self.reason = reason
        self.lastID = lastID
        self.timeMilliseconds = timeMilliseconds
    }
}

/// What a draft does to its topic besides adding a message.
package enum DraftEnd: Hashable, Sendable {
    case none
    /// The topic ends; this is its last message.
    case withMessage
    /// The topic ends, and there is no message.
    case withoutMessage(TopicEnd.Reason)
}
