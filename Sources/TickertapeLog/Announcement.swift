package import TickertapeCore

/// What a log tells the broker, in the order in which it happened.
package enum Announcement: Sendable {
    /// Messages are durable.
    case committed(CommittedBatch)
    /// An operator has removed the messages of a topic up to this id: they are not to be delivered
    /// from memory either.
    case purged(TopicName, through: Int64)
    /// A topic was deleted with everything in it, up to this id, by an operator or because it ended
    /// long ago; it may be created again later.
    case deleted(TopicName, through: Int64)
    /// A topic has ended: after the batch with its last message, if it ended with one.
    case ended(TopicEnd)
}
