/// What operators settle for the topics that a pattern stands for.
///
/// The most specific policy applies to a topic as a whole: what it leaves open has no limit, and is
/// not taken from a more general one.
package struct Policy: Hashable, Sendable {
    package let pattern: TopicPattern
    /// Messages older than this are removed; at least 1.
    package var maxAgeSeconds: Int64?
    /// The newest messages of a topic that are kept; at least 1.
    package var maxMessages: Int64?
    /// The bytes of payload (`data` alone) of a topic that are kept; at least 1.
    package var maxBytes: Int64?
    /// Topics that ended longer ago are deleted; at least 1.
    package var removesEndedAfterSeconds: Int64?
    /// A larger payload is refused; the broker's own limit applies besides.
    package var maxMessageBytes: Int?
    /// The messages a second that one client may publish to the topics of the pattern, together.
    package var maxPublishesPerSecond: Double?
    /// Their bytes of payload.
    package var maxPublishBytesPerSecond: Double?
    /// Whether a publish to a topic that does not exist creates it.
    package var createsTopics: Bool
    /// For people; at most `descriptionBytesMax`.
    package var description: String

    package static let descriptionBytesMax = 1_024
    /// What a rate can be: up to the largest whole number that JSON carries without loss.
    package static let rates = 0.001...9_007_199_254_740_991

    package init(
        pattern: TopicPattern,
        maxAgeSeconds: Int64? = nil,
        maxMessages: Int64? = nil,
        maxBytes: Int64? = nil,
        removesEndedAfterSeconds: Int64? = nil,
        maxMessageBytes: Int? = nil,
        maxPublishesPerSecond: Double? = nil,
        maxPublishBytesPerSecond: Double? = nil,
        createsTopics: Bool = true,
        description: String = ""
    ) {
        self.pattern = pattern
        self.maxAgeSeconds = maxAgeSeconds
        self.maxMessages = maxMessages
        self.maxBytes = maxBytes
        self.removesEndedAfterSeconds = removesEndedAfterSeconds
        self.maxMessageBytes = maxMessageBytes
        self.maxPublishesPerSecond = maxPublishesPerSecond
        self.maxPublishBytesPerSecond = maxPublishBytesPerSecond
        self.createsTopics = createsTopics
        self.description = description
    }

    /// Whether it removes anything at all: messages, or topics that have ended.
    package var hasRetention: Bool {
        self.maxAgeSeconds != nil || self.maxMessages != nil || self.maxBytes != nil
            || self.removesEndedAfterSeconds != nil
    }

    /// Whether it bounds how fast a client publishes.
    package var hasPublishRates: Bool {
        self.maxPublishesPerSecond != nil || self.maxPublishBytesPerSecond != nil
    }
}
